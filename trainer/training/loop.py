"""Runs one phase to its last step. Knows no losses."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from trainer.data.batches import Batch, RawBatch, batches, on_device
from trainer.data.decoded_patches import find_decoded, make_decoded
from trainer.data.patch_cache import PatchCache
from trainer.data.patch_set import PatchSet
from trainer.errors import TrainingError
from trainer.training.checkpoint import load_checkpoint, save_checkpoint
from trainer.training.clock import UNKNOWN_STEPS, Clock
from trainer.training.log import TrainingLog
from trainer.training.memory import explained_out_of_memory, is_out_of_memory, release_memory
from trainer.training.phase import Phase
from trainer.training.progress import Progress
from trainer.training.validation import Validation, Validator
from weights import Generator

MOST_SETBACKS = 3
READ_EVERY = 20  # steps: reading a loss waits for the device
Validate = Callable[[Generator], Validation]


class Diverged(Exception):
    """Losses are not finite, or a validation is far below the best; the text says which."""


class Loop:
    """One phase, its checkpoints, and its log.

    Args:
        phase: What trains.
        patch_set: What it learns from.
        run: The run folder.
        validator: Measures the averaged generator.
    """

    def __init__(self, phase: Phase, patch_set: PatchSet, run: Path, validator: Validator) -> None:
        self.phase = phase
        self.patch_set = patch_set
        self.run = run
        self.validator = validator
        self.checkpoint = run / f"{phase.name}.pt"
        self.best_checkpoint = run / f"{phase.name}-best.pt"
        self.progress = Progress()
        self.recent: dict[str, list[float]] = defaultdict(list)
        self.unread: list[tuple[int, dict[str, Tensor]]] = []  # step, and its losses on the device
        self.log = TrainingLog(run, phase.name) if phase.world.leads else None

    def restore(self) -> None:
        """Go on from the run folder's checkpoint, if there is one; nothing is written.

        Raises:
            CheckpointError: The checkpoint is damaged or belongs to other settings.
        """
        state = load_checkpoint(self.checkpoint)
        if state is not None:
            self.phase.restore(state, self.checkpoint)
            self.progress = Progress(**state.get("best", {}))

    def train(self) -> None:
        """Train to the last step; a training that diverges goes back to its last checkpoint.

        Raises:
            CheckpointError: A checkpoint cannot be written.
            TrainingError: The training diverged more than three times, or the memory does not suffice.
        """
        phase = self.phase
        self.clock = Clock(phase.seconds, phase.config.max_minutes)
        self._follow_clock()
        start = _copied(self._state())  # what a training that diverges before its first checkpoint goes back to
        if self.log is not None and phase.convolutions.log_message:
            self.log.message(phase.convolutions.log_message)
        try:
            while phase.step < phase.steps:
                try:
                    with explained_out_of_memory(phase.config, phase.device):
                        self._train_until_end()
                except Diverged as reason:
                    self._go_back(reason, start)
        finally:
            if self.log is not None:
                self.log.close()

    def _train_until_end(self) -> None:
        """Make step after step.

        Raises:
            Diverged: The losses of a step are not finite, or the validation has fallen.
        """
        phase, config = self.phase, self.phase.config
        unfinished = takewhile(lambda _: phase.step < phase.steps, self._batches())
        bar = tqdm(
            unfinished, total=_known(phase.steps), initial=phase.step, unit="step", desc=phase.name, mininterval=10,
            disable=self.log is None,
        )  # fmt: skip
        with bar:
            for batch in bar:
                phase.set_learning_rates()
                losses = self._step(on_device(batch, phase.device))
                phase.update_average()
                phase.step += 1
                self._record(losses)
                self._follow_clock()
                bar.total = _known(phase.steps)
                if phase.step >= phase.steps or phase.step % config.validate_every == 0:
                    self._validate(bar)
                    self._follow_clock()  # the validation may have ended the phase
                if phase.step >= phase.steps or phase.step % config.checkpoint_every == 0:
                    self._save()

    def _step(self, batch: Batch) -> dict[str, Tensor]:
        """Take a step; where the memory does not suffice, take it again in twice as many parts, from now on.

        All gradients are computed before any parameter moves, so that a step that ran out of memory has moved none.
        """
        phase = self.phase
        while True:
            try:
                return phase.train_step(batch)
            except (RuntimeError, MemoryError) as error:
                # processes that train together wait for each other's gradients: one cannot begin again alone
                if not is_out_of_memory(error) or phase.world.size > 1 or phase.part_count >= len(batch[0]):
                    raise
            phase.part_count = min(2 * phase.part_count, len(batch[0]))  # here, where the failed step's memory is free
            release_memory(phase.device)
            if self.log is not None:
                self.log.message(
                    f"the memory of {phase.device} is short: batches in {phase.part_count} parts from now on"
                )

    def _batches(self) -> Iterable[Batch | RawBatch]:
        """Return the batches from the next step on."""
        phase, config, files = self.phase, self.phase.config, self.patch_set.train
        first_index = phase.world.rank * config.batch_size
        if config.cache_patches == "device":
            cache = PatchCache(files, config, phase.device, first_index, phase.steps)
            return map(cache.batch, range(phase.step, phase.steps))
        return batches(files, config, phase.step, phase.steps, first_index, self._decoded())

    def _decoded(self) -> Path | None:
        """Return the file of decoded patches; process 0 makes it where most patches will be met more than once."""
        phase, config = self.phase, self.phase.config
        met = (phase.steps - phase.step) * config.batch_size * phase.world.size
        if self.log is not None and met > len(self.patch_set.train) and config.decoded_limit:
            make_decoded(self.patch_set, self.log.message, config.decoded_limit << 30)
        phase.world.wait()
        return find_decoded(self.patch_set)

    def _record(self, losses: dict[str, Tensor]) -> None:
        """Keep a step's losses, and read them once in a while; always before something is measured or saved."""
        self.unread.append((self.phase.step, losses))
        if len(self.unread) >= READ_EVERY:
            self._read_losses()

    def _read_losses(self) -> None:
        unread, self.unread = self.unread, []
        if not unread:
            return
        values = iter(torch.stack([value for _, losses in unread for value in losses.values()]).tolist())
        for step, losses in unread:
            found = {name: next(values) for name in losses}
            if not all(math.isfinite(value) for value in found.values()):
                raise Diverged(f"the losses of step {step} are not finite ({found})")
            for name, value in found.items():
                self.recent[name].append(value)

    def _follow_clock(self) -> None:
        """Count the seconds; with --max-minutes, the number of steps follows them, and --patience may end the phase."""
        phase = self.phase
        phase.seconds = self.clock.seconds()
        if phase.config.max_minutes:
            (steps,) = phase.world.broadcast([self.clock.steps(phase.step, phase.steps)])
            phase.steps = int(steps)
        if self.progress.has_ended(phase.config.patience):
            phase.steps = phase.step

    def _validate(self, bar: Any) -> None:
        """Measure the averaged generator in process 0, and keep it if it is the best so far."""
        self._read_losses()
        phase, margin = self.phase, self.phase.config.divergence_margin
        measured: list[float] = []
        if self.log is not None:
            started = time.monotonic()
            found = self.validator(phase.finished())
            means = {name: sum(values) / len(values) for name, values in self.recent.items()}
            learning_rate = phase.optimizer.param_groups[0]["lr"]
            self.log.validation(phase.step, phase.seconds, means, found, learning_rate)
            measured = [found.psnr] + ([] if found.perceptual_loss is None else [found.perceptual_loss])
            bar.set_postfix_str(" ".join([f"{found.psnr:.2f} dB", *(f"{loss:.3f}" for loss in measured[1:])]))
            self.clock.keep_in_reserve(time.monotonic() - started)
        self.recent.clear()
        psnr, *perceptual_loss = phase.world.broadcast(measured)
        if psnr < self.progress.psnr - margin:
            raise Diverged(f"the validation fell to {psnr:.2f} dB, from {self.progress.psnr:.2f} dB")
        self._weigh(psnr, perceptual_loss[0] if perceptual_loss else None)

    def _weigh(self, psnr: float, perceptual_loss: float | None) -> None:
        """Keep the best: by perceptual loss in the adversarial phase, where PSNR only falls, else by PSNR."""
        phase = self.phase
        merit = -perceptual_loss if phase.name == "adversarial" and perceptual_loss is not None else psnr
        if self.progress.gained(psnr, merit) and self.log is not None:
            state = self._state()
            kept = {name: state[name] for name in ("phase", "config", "average", "step", "seconds", "best")}
            save_checkpoint(kept, self.best_checkpoint)
        if self.progress.reduction_is_due(phase.config.patience):
            phase.learning_rate_factor *= phase.config.gamma
            if self.log is not None:
                self.log.message(f"no gain any more at step {phase.step}; {phase.learning_rate_factor:g} of the rate")

    def _go_back(self, reason: Diverged, start: dict[str, Any]) -> None:
        """Return to the last checkpoint with half the learning rate, or give up."""
        phase = self.phase
        setbacks, factor = phase.setbacks + 1, phase.learning_rate_factor / 2
        if setbacks > MOST_SETBACKS:
            raise TrainingError(
                f"The training broke down {setbacks} times, the last time because {reason}; {self.checkpoint} keeps "
                "the last good state; lower --learning-rate (or the adversarial rates), start in another run folder."
            )
        phase.restore(load_checkpoint(self.checkpoint) or start, self.checkpoint)
        phase.setbacks, phase.learning_rate_factor = setbacks, factor
        self.recent.clear()
        self.unread.clear()
        self._save()
        if self.log is not None:
            self.log.message(f"{reason}; back to step {phase.step} with {factor:g} of the rate")

    def _state(self) -> dict[str, Any]:
        return self.phase.state() | {"best": asdict(self.progress)}

    def _save(self) -> None:
        self._read_losses()
        if self.log is not None:
            save_checkpoint(self._state(), self.checkpoint)
        self.phase.world.wait()  # nobody goes back to a checkpoint that is still being written


def _known(steps: int) -> int | None:
    """Return what the progress bar may count down from: nothing before the first step has been timed."""
    return None if steps == UNKNOWN_STEPS else steps


def _copied(state: Any) -> Any:
    """Copy a checkpoint's state, tensors included."""
    if isinstance(state, Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return {name: _copied(value) for name, value in state.items()}
    return [_copied(value) for value in state] if isinstance(state, list) else state
