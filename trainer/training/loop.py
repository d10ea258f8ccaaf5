"""Runs one phase to its last step: load → learn → guard → validate → checkpoint. Knows no losses."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from trainer.data.batches import Batch, RawBatch, batches
from trainer.data.decoded_patches import find_decoded, make_decoded
from trainer.data.patch_cache import PatchCache
from trainer.data.patch_set import PatchSet
from trainer.errors import TrainingError
from trainer.training.checkpoint import load_checkpoint, save_checkpoint
from trainer.training.clock import Clock
from trainer.training.log import TrainingLog
from trainer.training.phase import Phase
from trainer.training.validation import Validation, Validator
from weights import Generator

MOST_SETBACKS = 3
Validate = Callable[[Generator], Validation]


class Loop:
    """One phase, its checkpoint, and its watchers.

    Args:
        phase: What trains.
        patch_set: What it learns from.
        run: The run folder.
        validator: Measures the averaged generator.
        before_training: Called when the checkpoint has turned out to fit, before anything is written.
    """

    def __init__(
        self,
        phase: Phase,
        patch_set: PatchSet,
        run: Path,
        validator: Validator,
        before_training: Callable[[], None] = lambda: None,
    ) -> None:
        self.before_training = before_training
        self.phase = phase
        self.patch_set = patch_set
        self.run = run
        self.validator = validator
        self.checkpoint = run / f"{phase.name}.pt"
        self.best_checkpoint = run / f"{phase.name}-best.pt"
        self.best: dict[str, float] = {}
        self.recent: dict[str, list[float]] = defaultdict(list)
        self.log = TrainingLog(run, phase.name) if phase.world.leads else None

    def train(self) -> None:
        """Train to the last step, from the checkpoint if there is one.

        Raises:
            CheckpointError: The checkpoint is damaged or belongs to other settings.
            TrainingError: The training broke down more than three times.
        """
        self._restore()
        self.before_training()
        if self.log is not None and self.phase.convolutions.log_message:
            self.log.say(self.phase.convolutions.log_message)
        self.clock = Clock(self.phase.seconds, self.phase.config.max_minutes)
        self._set_steps()
        start = self._state()  # what a breakdown before the first checkpoint goes back to
        try:
            while self.phase.step < self.phase.steps:
                fault = self._until_fault()
                if fault:
                    self._go_back(fault, start)
        finally:
            if self.log is not None:
                self.log.close()

    def _until_fault(self) -> str:
        """Train until the end or until something breaks down; return what, or nothing."""
        phase, config = self.phase, self.phase.config
        first_index = phase.world.rank * config.batch_size
        if config.cache_patches == "device":
            cache = PatchCache(self.patch_set.train, config, phase.device, first_index)
            source: Iterator[Batch | RawBatch] = map(cache.batch, range(phase.step, phase.steps))
        else:
            source = batches(self.patch_set.train, config, phase.step, phase.steps, first_index, self._decoded())
        bar = tqdm(
            source, total=phase.steps, initial=phase.step, unit="step", desc=phase.name, mininterval=10,
            disable=not phase.world.leads,
        )  # fmt: skip
        with bar:
            for batch in bar:
                losses = phase.train_step(batch)
                if not all(math.isfinite(value) for value in losses.values()):
                    return f"the losses of step {phase.step} are not finite ({losses})"
                for name, value in losses.items():
                    self.recent[name].append(value)
                self._set_steps()
                last = phase.step >= phase.steps
                if last or phase.step % config.validate_every == 0:
                    fault = self._validate(bar)
                    if fault:
                        return fault
                if last or phase.step % config.checkpoint_every == 0:
                    self._save()
                if last:
                    break
        return ""

    def _set_steps(self) -> None:
        """Count the seconds; with --max-minutes, the schedule's steps follow them."""
        phase, config = self.phase, self.phase.config
        phase.seconds = self.clock.seconds()
        if config.max_minutes:
            (steps,) = phase.world.broadcast([self.clock.steps(phase.step, phase.steps)])
            phase.steps = int(steps)

    def _decoded(self) -> Path | None:
        """Return the file of decoded patches; process 0 makes it where most patches will be met more than once."""
        phase, config = self.phase, self.phase.config
        met = (phase.steps - phase.step) * config.batch_size * phase.world.size
        if self.log is not None and met > len(self.patch_set.train) and config.decoded_limit:
            make_decoded(self.patch_set, self.log.say, config.decoded_limit << 30)
        phase.world.broadcast([])
        return find_decoded(self.patch_set)

    def _validate(self, bar: Any) -> str:
        """Validate in process 0; return a sentence where the generator collapsed."""
        phase, margin = self.phase, self.phase.config.divergence_margin
        measured: list[float] = []
        started = time.monotonic()
        if self.log is not None:
            found = self.validator(phase.finished())
            means = {name: sum(values) / len(values) for name, values in self.recent.items()}
            rate = phase.optimizer.param_groups[0]["lr"]
            self.log.record_validation(phase.step, phase.seconds, means, found, rate)
            features = [] if found.perceptual_loss is None else [found.perceptual_loss]
            bar.set_postfix_str(f"{found.psnr:.2f} dB" + "".join(f" {loss:.3f}" for loss in features))
            measured = [found.psnr, *features]
            self.clock.keep_in_reserve(time.monotonic() - started)
        self.recent.clear()
        psnr, *features = phase.world.broadcast(measured)
        if psnr < self.best.get("psnr", -math.inf) - margin:
            return f"the validation fell to {psnr:.2f} dB, from {self.best['psnr']:.2f} dB"
        self._keep_if_best(psnr, features[0] if features else None)
        return ""

    def _keep_if_best(self, psnr: float, perceptual_loss: float | None) -> None:
        """Keep the best: by perceptual loss in the adversarial phase, where PSNR only falls, else by PSNR."""
        merit = -perceptual_loss if self.phase.name == "adversarial" and perceptual_loss is not None else psnr
        self.best["psnr"] = max(psnr, self.best.get("psnr", -math.inf))
        if merit > self.best.get("merit", -math.inf):
            self.best["merit"] = merit
            if self.log is not None:
                state = self.phase.state()
                kept = {name: state[name] for name in ("phase", "config", "average", "step", "seconds")}
                save_checkpoint(kept | {"best": dict(self.best)}, self.best_checkpoint)

    def _go_back(self, fault: str, start: dict[str, Any]) -> None:
        """Return to the last good state with half the rate, or give up."""
        phase = self.phase
        setbacks, learning_rate_factor = phase.setbacks + 1, phase.learning_rate_factor / 2
        if setbacks > MOST_SETBACKS:
            raise TrainingError(
                f"The training broke down {setbacks} times, the last time because {fault}; {self.checkpoint} keeps the "
                "last good state; lower --learning-rate (or the adversarial rates), start in another run folder."
            )
        state = load_checkpoint(self.checkpoint) or start
        phase.restore(state, self.checkpoint)
        phase.setbacks, phase.learning_rate_factor = setbacks, learning_rate_factor
        self.recent.clear()
        self._save()
        if self.log is not None:
            self.log.say(f"{fault}; back to step {phase.step} with {learning_rate_factor:g} of the rate")

    def _restore(self) -> None:
        state = load_checkpoint(self.checkpoint)
        if state is not None:
            self.phase.restore(state, self.checkpoint)
            self.best = {name: float(value) for name, value in state.get("best", {}).items()}

    def _state(self) -> dict[str, Any]:
        copied: dict[str, Any] = _copied(self.phase.state() | {"best": dict(self.best)})
        return copied

    def _save(self) -> None:
        if self.log is not None:
            save_checkpoint(self.phase.state() | {"best": dict(self.best)}, self.checkpoint)
        self.phase.world.broadcast([])  # nobody goes back to a checkpoint that is still being written


def _copied(state: Any) -> Any:
    if isinstance(state, torch.Tensor):
        return state.detach().clone()
    if isinstance(state, dict):
        return {name: _copied(value) for name, value in state.items()}
    return [_copied(value) for value in state] if isinstance(state, list) else state
