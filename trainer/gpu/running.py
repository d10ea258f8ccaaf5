"""One call's worth of training: patches, compile or not, phase, loop, parts to carry home."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from trainer.checkpoint import load_checkpoint, save_checkpoint
from trainer.config import TrainingConfig
from trainer.errors import CheckpointError, SlicingError
from trainer.gpu.bank import Ahead, PatchBank, load_pictures
from trainer.gpu.packing import pack, unpack_state
from trainer.gpu.timed import Pace, TimedLoop
from trainer.gpu.travel import INDEX, missing_files, split_file
from trainer.gpu.trial import Trial
from trainer.patches import PatchSet
from trainer.phase import Phase
from trainer.pixel import PixelPhase
from trainer.slicing.slicer import slice_photos
from trainer.training import CONFIG, perceptual_loss, trained_generator
from trainer.validation import Validator
from weights import Generator, load_generator

PHOTOS, PATCHES = "photos", "patches"
Report = Callable[[str], None]


@dataclass(frozen=True)
class Call:
    """What one call is to do.

    Attributes:
        phase: "pixel" or "adversarial".
        run: The run folder; it stays on the machine between calls.
        device: Where to train.
        minutes: After which the process has ended.
        schedule_minutes: Of training, earlier calls included, at whose end the rate is lowest.
        ends_here: Whether that end is moved to this call's.
        compile_limit: Seconds that a trial of torch.compile may take; 0 does without.
        validate_every: Seconds of training.
        checkpoint_every: Seconds of training.
        start: Weights file to begin with.
        words: The command's words, for the provenance.
        commit: Of the code, which the machine may not know.
    """

    phase: str
    run: Path
    device: torch.device
    minutes: float
    schedule_minutes: float
    ends_here: bool = False
    compile_limit: float = 180.0
    validate_every: float = 60.0
    checkpoint_every: float = 120.0
    start: Path | None = None
    words: str = ""
    commit: str = "unknown"


def train(call: Call, config: TrainingConfig, report: Report) -> None:
    """Train one phase until the call's time is up; the same call again goes on.

    Args:
        call: What to do.
        config: The settings; sizes, rates and losses may differ from call to call.
        report: Takes sentences for the user.

    Raises:
        SlicingError: Photos are missing or cannot be used.
        CheckpointError: The run folder belongs to other nets, or has no faithful generator to start from.
        TrainingError: The training broke down more than three times.
    """
    started = time.monotonic()
    if call.phase == "adversarial":
        config = config.for_adversarial_phase()
    call.run.mkdir(parents=True, exist_ok=True)
    trial = Trial(call.run, config, call.device) if call.compile_limit and not config.compile else None
    try:
        patch_set = prepared_patches(call.run, report)
        pictures = load_pictures(patch_set.train, call.device)
        report(f"{len(pictures)} patches on the device, {time.monotonic() - started:.0f} s since the start")
        if trial is not None:
            config = replace(config, compile=trial.pays(call.compile_limit))
    finally:
        if trial is not None:
            trial.close()
    report(f"torch.compile {'is' if config.compile else 'is not'} used, {time.monotonic() - started:.0f} s")
    phase = open_phase(call, config)
    _note(call, config, patch_set)
    perceptual = getattr(phase, "perceptual", None)
    validator = Validator(patch_set.validation, config, call.device, perceptual)
    pace = Pace(
        started + 60 * call.minutes, 60 * call.schedule_minutes, call.ends_here, call.validate_every,
        call.checkpoint_every,
    )  # fmt: skip
    step = _step_of(call.run / f"{phase.name}.pt")
    ahead = Ahead(PatchBank(pictures, config), step)
    loop = TimedLoop(phase, ahead.take, patch_set, call.run, validator, pace, report)
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: loop.stop())
    try:
        loop.train()
    finally:
        signal.signal(signal.SIGTERM, before)


def prepared_patches(run: Path, report: Report) -> PatchSet:
    """Cut the photos that have come, once they are all there.

    Args:
        run: The run folder.
        report: Takes sentences for the user.

    Returns:
        The set.

    Raises:
        SlicingError: Photos are still on their way, or cannot be used.
    """
    photos = run / PHOTOS
    absent = missing_files(photos) if (photos / INDEX).exists() else []
    if absent or not photos.is_dir():
        raise SlicingError(
            f"{photos} lacks {len(absent) or 'all'} photos ({', '.join(absent[:3])}); expected every part to be "
            "unpacked first: python -m trainer.gpu unpack PART --run RUN"
        )
    started = time.monotonic()
    patch_set = slice_photos(photos, run / PATCHES, processes=os.cpu_count() or 1)
    report(f"{len(patch_set.train)} + {len(patch_set.validation)} patches in {time.monotonic() - started:.0f} s")
    return patch_set


def open_phase(call: Call, config: TrainingConfig) -> Phase:
    """Build a phase, at its first step.

    Args:
        call: Says which, where, and what it starts from.
        config: The settings, with the phase's own sizes.

    Returns:
        The phase.

    Raises:
        CheckpointError: The adversarial phase has no faithful generator to start from.
    """
    start: Generator | None = load_generator(call.start).generator if call.start else None
    if call.phase == "pixel":
        return PixelPhase(config, call.device, start=start)
    from trainer.adversarial import AdversarialPhase

    faithful = start or trained_generator(call.run, "pixel")[1]
    return AdversarialPhase(config, call.device, faithful, perceptual_loss(config))


def carry_home(run: Path, phase: str, keep: str, target: Path, part_bytes: int, first: int, count: int) -> list[Path]:
    """Pack a phase's checkpoint and cut it into parts.

    Args:
        run: The run folder.
        phase: "pixel" or "adversarial".
        keep: How much of it, see `packing`.
        target: Folder for the parts.
        part_bytes: Size of a part.
        first: The first part to write.
        count: How many parts to write.

    Returns:
        What was written.

    Raises:
        CheckpointError: There is no such checkpoint.
    """
    state = load_checkpoint(run / f"{phase}.pt")
    if state is None:
        raise CheckpointError(f"{run} has no {phase}.pt; expected a folder that was trained in; check --run.")
    packed = run / f"{phase}-{keep}.safetensors"
    pack(state, packed, keep)
    return split_file(packed, target, part_bytes, first, count)


def take_up(packed: Path, run: Path) -> Path:
    """Make a run folder's checkpoint of a packed one.

    Args:
        packed: What `join` put together.
        run: The run folder.

    Returns:
        The checkpoint.

    Raises:
        TravelError: The file is damaged or of another kind.
    """
    state = unpack_state(packed)
    path = run / f"{state['phase']}.pt"
    save_checkpoint(state, path)
    return path


def _note(call: Call, config: TrainingConfig, patch_set: PatchSet) -> None:
    noted = {"command": call.words, "commit": call.commit, "data_hash": patch_set.hash, **config.to_dict()}
    (call.run / CONFIG).write_text(json.dumps(noted, indent=1), encoding="utf-8")


def _step_of(checkpoint: Path) -> int:
    state = load_checkpoint(checkpoint)
    return int(state["step"]) if state else 0
