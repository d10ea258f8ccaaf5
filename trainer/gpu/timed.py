"""The training loop by the clock: rates fall with the seconds trained, and it ends in time to put its results away.

It guards, validates and keeps checkpoints as `trainer.loop` does; other are where batches come from, that losses are
looked at once in a while instead of at each step, and what ends it. Which step falls on which second is left to
the machine: a phase that was interrupted goes on, but not to the same bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainer.checkpoint import load_checkpoint
from trainer.dataset import Batch
from trainer.errors import CheckpointError
from trainer.loop import Loop
from trainer.patches import PatchSet
from trainer.phase import Phase
from trainer.validation import Validator

_STRETCH_SECONDS = 2.0  # between two looks at the losses, for which the device has to be waited for
_LONGEST_STRETCH = 200  # steps
_SAME = ("architecture", "generator", "expansion", "discriminator", "discriminator_channels")


@dataclass
class Pace:
    """What the clock says.

    Attributes:
        deadline: When everything must be put away, seconds on `time.monotonic`.
        schedule_seconds: Seconds of training, earlier calls included, at whose end the rate is lowest.
        ends_here: Whether that end is moved to this call's.
        validate_every: Seconds of training.
        checkpoint_every: Seconds of training.
    """

    deadline: float
    schedule_seconds: float
    ends_here: bool = False
    validate_every: float = 60.0
    checkpoint_every: float = 120.0


class TimedLoop(Loop):
    """One phase until its time is up.

    Args:
        phase: What trains.
        source: Gives the batch of a step, on the device.
        patch_set: Where the batches come from.
        run: The run folder.
        validator: Measures the averaged generator.
        pace: When to do what; its schedule may be moved.
        report: Takes sentences for the user.
    """

    def __init__(
        self, phase: Phase, source: Callable[[int], Batch], patch_set: PatchSet, run: Path, validator: Validator,
        pace: Pace, report: Callable[[str], None],
    ) -> None:  # fmt: skip
        super().__init__(phase, patch_set, run, validator)
        self.source = source
        self.pace = pace
        self.report = report
        self.highest_rate = phase.highest_rate
        self.cold_step: int | None = None  # where the optimizer began with nothing remembered
        self.started_at = 0.0  # seconds trained when this process took over
        self.last_validation = self.last_checkpoint = 0.0
        self.wall = 1.0  # seconds of this call, once everything is warm
        self.share = 0.0  # of the schedule that was done before
        self.reserve = 0.0  # seconds that putting everything away takes
        self.stopped = False

    def stop(self) -> None:
        """Have the training end after the next stretch, as if its time were up."""
        self.stopped = True

    def _restore(self) -> None:
        """Go on from whatever the checkpoint holds: all of it, or the averaged generator alone."""
        state = load_checkpoint(self.checkpoint)
        if state is not None:
            self._refuse_others(state)
            fresh = self.phase.state()
            if "optimizer" not in state:
                self.cold_step = int(state["step"])
            filled = {**fresh, "generator": state["average"], **state, "config": fresh["config"]}
            self.phase.restore(filled, self.checkpoint)
            self.best = {name: float(value) for name, value in state.get("best", {}).items()}
        self._warm_up()
        self.started_at = self.last_validation = self.last_checkpoint = self.phase.seconds
        self.wall = max(self._seconds_left(), 1e-6)
        self.share = self.phase.seconds / (self.phase.seconds + self.wall)

    def _refuse_others(self, state: dict[str, Any]) -> None:
        now, then = self.phase.config.to_dict(), state["config"]
        others = [name for name in _SAME if then.get(name, now[name]) != now[name]]
        if others:
            raise CheckpointError(
                f"{self.checkpoint} was made with other nets ({', '.join(f'{n}: {then.get(n)!r}' for n in others)}); "
                f"expected {', '.join(f'{n}: {now[n]!r}' for n in others)}; use the same preset or another --run."
            )

    def _warm_up(self) -> None:
        """Compile, choose convolutions, learn how long saving takes: none of it counts as training."""
        phase, seconds = self.phase, self.phase.seconds
        started = time.monotonic()
        if phase.step == 0:
            phase.steps = 1 << 30
        losses = self._stretch(1)
        self.report(f"the first step took {time.monotonic() - started:.1f} s")
        phase.seconds = seconds
        started = time.monotonic()
        if not self._fault(losses):
            self._save()
        self.validator(phase.finished())
        self.reserve = 2 * (time.monotonic() - started) + 1

    def _until_fault(self) -> str:
        """Train until the time is up or something breaks down; return what, or nothing."""
        phase, steps = self.phase, 1
        first_step, first_second = phase.step, phase.seconds
        while not self.stopped and self._seconds_left() > 0:
            self._set_schedule()
            before = phase.seconds
            losses = self._stretch(steps)
            fault = self._fault(losses)
            if fault:
                return fault
            for name, value in losses.items():
                self.recent[name].append(value)
            per_step = (phase.seconds - before) / steps
            steps = max(1, min(_LONGEST_STRETCH, 2 * steps, int(self._stretch_seconds() / max(per_step, 1e-6))))
            fault = self._after_stretch((phase.step - first_step) / max(phase.seconds - first_second, 1e-6))
            if fault:
                return fault
        phase.steps = phase.step  # the end, for the loop around this
        return self._finish()

    def _after_stretch(self, steps_per_second: float) -> str:
        phase, fault = self.phase, ""
        if phase.seconds - self.last_validation >= self.pace.validate_every:
            self.last_validation = phase.seconds
            fault = self._validate(_Line(self, steps_per_second))
        if not fault and phase.seconds - self.last_checkpoint >= self.pace.checkpoint_every:
            self.last_checkpoint = phase.seconds
            self._save()
        return fault

    def _finish(self) -> str:
        trained = self.phase.seconds - self.started_at
        fault = self._validate(_Line(self, math.nan)) if self.recent else ""
        if not fault:
            self._save()
            self.report(f"step {self.phase.step}, {trained:.0f} s of training in this call, checkpoint written")
        return fault

    def _stretch(self, steps: int) -> dict[str, float]:
        """Make some steps, wait for the device, return the mean losses."""
        phase, started = self.phase, time.monotonic()
        sums: dict[str, torch.Tensor] = {}
        for _ in range(steps):
            phase.highest_rate = self.highest_rate * self._ramp()
            for name, value in phase.move(self.source(phase.step)).items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value
        means = (torch.stack([value.float() for value in sums.values()]) / steps).tolist()
        phase.seconds += time.monotonic() - started
        return dict(zip(sums, means, strict=True))

    def _fault(self, losses: dict[str, float]) -> str:
        """Look for values that are not finite, in the losses and in what would be saved."""
        if not all(math.isfinite(value) for value in losses.values()):
            return f"the losses before step {self.phase.step} are not finite ({losses})"
        norms = torch.stack(list(torch._foreach_norm(list(self.phase.generator.parameters()))))
        return "" if bool(norms.isfinite().all()) else f"the generator of step {self.phase.step} is not finite"

    def _set_schedule(self) -> None:
        """Give the phase as many steps as the schedule's seconds have room for at the speed so far."""
        phase = self.phase
        share = self._share()
        phase.steps = max(phase.step + 1, round(phase.step / share) if share and phase.step else 1 << 30)

    def _share(self) -> float:
        """How much of the schedule is done; up to this call's end, saving and validating count as well."""
        if self.pace.ends_here:
            return 1 - (1 - self.share) * max(0.0, self._seconds_left()) / self.wall
        return min(1.0, self.phase.seconds / self.pace.schedule_seconds)

    def _ramp(self) -> float:
        """Keep the rate low while an optimizer that begins with nothing learns how large the gradients are."""
        if self.cold_step is None:
            return 1.0
        return min(1.0, (self.phase.step - self.cold_step + 1) / max(1, self.phase.config.warm_up_steps))

    def _stretch_seconds(self) -> float:
        return min(
            _STRETCH_SECONDS, self.pace.checkpoint_every, self.pace.validate_every, max(0.0, self._seconds_left())
        )

    def _seconds_left(self) -> float:
        return self.pace.deadline - self.reserve - time.monotonic()


class _Line:
    """What a progress bar is elsewhere: a line for each validation."""

    def __init__(self, loop: TimedLoop, steps_per_second: float) -> None:
        self.loop = loop
        self.steps_per_second = steps_per_second

    def set_postfix_str(self, text: str) -> None:
        """Report what was validated."""
        phase = self.loop.phase
        patches = self.steps_per_second * phase.config.batch_size
        speed = "" if math.isnan(patches) else f", {patches:.0f} patches/s"
        rate = phase.optimizer.param_groups[0]["lr"]
        self.loop.report(f"{phase.name} step {phase.step}, {phase.seconds:.0f} s, {text}, rate {rate:.2e}{speed}")
