"""Sets the two phases up from settings, patches and a run folder, and runs them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from trainer.adversarial import AdversarialPhase
from trainer.checkpoint import load_checkpoint
from trainer.collapse import collapse, over_parameterise, with_fixed_slopes
from trainer.config import TrainingConfig, config_of_checkpoint
from trainer.deepening import deepened
from trainer.distributed import World
from trainer.errors import CheckpointError
from trainer.exporting.provenance import commit
from trainer.locking import locked
from trainer.loop import Loop
from trainer.losses.feature_weights import load_feature_network
from trainer.losses.perceptual import PerceptualLoss
from trainer.patches import PatchSet
from trainer.phase import Phase
from trainer.pixel import ALONE, PixelPhase
from trainer.validation import Validator
from weights import Generator, build_generator, load_generator
from weights.compact import Compact

CONFIG = "config.json"


def train(
    patch_set: PatchSet,
    config: TrainingConfig,
    run: Path,
    device: torch.device,
    phases: Sequence[str],
    start: Path | None = None,
    words: Sequence[str] = (),
    world: World = ALONE,
) -> None:
    """Train the phases that are asked for, one after the other.

    Args:
        patch_set: What to learn from.
        config: The settings.
        run: The run folder.
        device: Where to train.
        phases: Some of "pixel" and "adversarial", in this order.
        start: Weights file that the first of these phases goes on from, deepened where it is a compact one with fewer
            layers; None begins anew, or takes the run folder's pixel phase where only the adversarial one is asked for.
        words: The command's words, kept for the weights file's provenance.
        world: The processes that train together.

    Raises:
        CheckpointError: The weights file to start from has another architecture or config than the settings.
    """
    if "pixel" in phases:
        train_pixel_phase(patch_set, config, run, device, words, world, start)
    if "adversarial" not in phases:
        return
    if start and "pixel" not in phases:
        faithful = _started_from(start, config)
    else:
        faithful = _matching(trained_generator(run, "pixel")[1], config, run)
    train_adversarial_phase(patch_set, config, run, device, faithful, words, world)


def train_pixel_phase(
    patch_set: PatchSet,
    config: TrainingConfig,
    run: Path,
    device: torch.device,
    words: Sequence[str] = (),
    world: World = ALONE,
    start: Path | None = None,
) -> PixelPhase:
    """Train to the pixel phase's last step, or go on to it from the run folder's checkpoint.

    Args:
        patch_set: What to learn from.
        config: The settings; those that do not change the result may differ from the checkpoint's.
        run: Folder for the checkpoint, the settings and `metrics.jsonl`.
        device: Where to train.
        words: The command's words, kept for the weights file's provenance.
        world: The processes that train together.
        start: Weights file to go on from; None begins anew.

    Returns:
        The finished phase.
    """
    phase = PixelPhase(config, device, world, _started_from(start, config) if start else None)
    _train_phase(phase, patch_set, run, Validator(patch_set.validation, config, device, None), words)
    return phase


def train_adversarial_phase(
    patch_set: PatchSet,
    config: TrainingConfig,
    run: Path,
    device: torch.device,
    faithful: Generator,
    words: Sequence[str] = (),
    world: World = ALONE,
) -> AdversarialPhase:
    """Train to the adversarial phase's last step, or go on to it from the run folder's checkpoint.

    Args:
        patch_set: What to learn from.
        config: The settings.
        run: Folder for the checkpoint, the settings and `metrics.jsonl`.
        device: Where to train.
        faithful: What to start from; plain.
        words: The command's words, kept for the weights file's provenance.
        world: The processes that train together.

    Returns:
        The finished phase.
    """
    config = config.for_adversarial_phase()
    perceptual = perceptual_loss(config)
    phase = AdversarialPhase(config, device, faithful, perceptual, world)
    validator = Validator(patch_set.validation, config, device, phase.perceptual)
    _train_phase(phase, patch_set, run, validator, words)
    return phase


def _started_from(file: Path, config: TrainingConfig) -> Generator:
    """Load what a training goes on from; one with fewer layers than the settings is deepened."""
    generator = load_generator(file).generator
    expected = build_generator(config.architecture, dict(config.generator))
    if isinstance(expected, Compact) and isinstance(generator, Compact):
        generator = deepened(generator, max(generator.config.layers, expected.config.layers))
    return _matching(generator, config, file)


def _matching(generator: Generator, config: TrainingConfig, source: Path) -> Generator:
    expected = build_generator(config.architecture, dict(config.generator))
    if generator.architecture != expected.architecture or generator.config != expected.config:
        raise CheckpointError(
            f"{source} holds a {generator.architecture} with {generator.config}; the settings give a "
            f"{expected.architecture} with {expected.config}; set --architecture and --generator accordingly"
        )
    return generator


def perceptual_loss(config: TrainingConfig) -> PerceptualLoss | None:
    """Build the perceptual loss that the settings ask for; None where they ask for none.

    Args:
        config: Says network, weights and layers.

    Returns:
        The loss, on the CPU.
    """
    if config.perceptual_network == "none":
        return None
    weights = Path(config.perceptual_weights) if config.perceptual_weights else None
    network = load_feature_network(config.perceptual_network, weights)
    return PerceptualLoss(
        network,
        config.perceptual_layers,
        squared=config.perceptual_squared,
        half_size_weight=config.half_size_weight,
    )


def trained_generator(run: Path, phase: str, *, best: bool = False) -> tuple[Generator, Generator, dict[str, Any]]:
    """Load the averaged generator of a run folder.

    Args:
        run: A run folder.
        phase: "pixel" or "adversarial".
        best: Whether to take the best one by validation instead of the last.

    Returns:
        The generator as it was trained and plain, both on the CPU in evaluation mode, and the checkpoint.

    Raises:
        CheckpointError: The run folder has no such checkpoint, or it is damaged.
    """
    file = run / f"{phase}{'-best' if best else ''}.pt"
    state = load_checkpoint(file)
    if state is None:
        raise CheckpointError(f"{run} has no {file.name}; expected a folder that `train` filled; check the path.")
    config = config_of_checkpoint(state["config"])
    plain = build_generator(config.architecture, dict(config.generator))
    if phase == "pixel":
        # slopes that were learned before the phase began are trained on: known by their being there
        names = plain.state_dict().keys() & state["average"].keys()
        plain.load_state_dict({name: state["average"][name] for name in names}, strict=False)
        trained = over_parameterise(plain, config.expansion, fixed_slopes=config.fixed_slopes)
    else:
        trained = plain if set(plain.state_dict()) == set(state["average"]) else with_fixed_slopes(plain)
    trained.load_state_dict(state["average"])
    return trained.requires_grad_(False).eval(), collapse(trained), state


def _train_phase(phase: Phase, patch_set: PatchSet, run: Path, validator: Validator, words: Sequence[str]) -> None:
    """Train; a run folder of something else stays as it is."""
    in_use = ExitStack()

    def note() -> None:
        if phase.world.leads:
            in_use.enter_context(locked(run))
            noted = {"command": shlex.join(["python", "-m", "trainer", *map(_nameless, words)]), "commit": commit()}
            noted |= {"data_hash": patch_set.hash, **phase.config.to_dict()}
            (run / CONFIG).write_text(json.dumps(noted, indent=1), encoding="utf-8")

    _check_patches(run, patch_set)
    with in_use:
        Loop(phase, patch_set, run, validator, note).train()


def _nameless(word: str) -> str:
    """Shorten a path that leads elsewhere to its last part: the command is published, where it ran is nobody's."""
    path = Path(word)
    return path.name if path.is_absolute() or ".." in path.parts else word


def _check_patches(run: Path, patch_set: PatchSet) -> None:
    """Raise CheckpointError where the run folder's checkpoints learned from other patches."""
    if not any(run.glob("*.pt")):
        return
    try:
        known = json.loads((run / CONFIG).read_text(encoding="utf-8")).get("data_hash", patch_set.hash)
    except (OSError, ValueError, AttributeError):
        return  # nobody can tell any more
    if known != patch_set.hash:
        raise CheckpointError(
            f"{run} learned from patches with hash {known[:12]}…, these have {patch_set.hash[:12]}…; "
            "use the same patches or another run folder."
        )
