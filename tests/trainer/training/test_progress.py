"""Patience: without gains the rate falls three times, then the phase ends, and stays ended."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import tiny
from trainer.data.patch_set import PatchSet
from trainer.training.log import read_record
from trainer.training.session import train_pixel_phase
from trainer.training.validation import Validation, Validator

CPU = torch.device("cpu")


def test_without_a_gain_the_rate_falls_three_times_and_then_the_phase_ends(
    patch_set: PatchSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = itertools.chain([30.0, 30.5, 30.4, 30.6], itertools.repeat(30.6))
    monkeypatch.setattr(Validator, "__call__", lambda self, generator: Validation(next(measured), 0.9, None, []))
    config = tiny(
        pixel_steps=100, validate_every=1, patience=2, gamma=0.25, schedule="constant", warm_up_steps=0, batch_size=1
    )
    phase = train_pixel_phase(patch_set, config, tmp_path, CPU)
    assert phase.step == 4 + 4 * 2
    rates = [line["learning_rate"] for line in read_record(tmp_path) if "learning_rate" in line]
    assert rates == [1e-3 * 0.25 ** max(0, (number - 4) // 2) for number in range(12)]
    assert torch.load(tmp_path / "pixel.pt", weights_only=True)["step"] == phase.step
    assert train_pixel_phase(patch_set, config, tmp_path, CPU).step == phase.step
    assert (
        train_pixel_phase(patch_set, tiny(**{**vars(config), "patience": 0, "pixel_steps": 14}), tmp_path, CPU).step
        == 14
    )
