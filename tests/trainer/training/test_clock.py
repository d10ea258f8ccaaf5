"""A training by the clock: as many steps as there is time for, the schedule with them, and an end that is kept."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import tiny
from trainer.data.patch_set import PatchSet
from trainer.training.clock import UNKNOWN_STEPS, Clock
from trainer.training.log import read_record
from trainer.training.session import train_pixel_phase

CPU = torch.device("cpu")


def test_steps_are_those_that_the_time_left_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clock = Clock(spent=20.0, max_minutes=2.0)
    clock.keep_in_reserve(10.0)  # half as much again is kept
    assert clock.steps(0, 7) == UNKNOWN_STEPS
    now += 40.0
    assert clock.seconds() == 60.0
    assert clock.steps(600, 7) == 600 + 450
    now += 46.0
    assert clock.steps(900, 7) == 900
    assert Clock(spent=20.0, max_minutes=0.0).steps(3, 7) == 7


def test_a_training_by_the_clock_ends_with_its_lowest_rate_and_a_checkpoint_and_does_not_begin_again(
    patch_set: PatchSet, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tiny(max_minutes=0.04, pixel_steps=1, validate_every=100_000, learning_rate=1e-3)
    phase = train_pixel_phase(patch_set, config, tmp_path, CPU)
    assert phase.step > 1
    assert str(UNKNOWN_STEPS) not in capfd.readouterr().err, "the bar counts down from steps that nobody has reckoned"
    assert torch.load(tmp_path / "pixel.pt", weights_only=True)["step"] == phase.step
    assert read_record(tmp_path)[-1]["learning_rate"] < 5e-4
    assert train_pixel_phase(patch_set, config, tmp_path, CPU).step == phase.step
