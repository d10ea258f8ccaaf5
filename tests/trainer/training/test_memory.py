"""When the memory does not suffice, the user learns what to change."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import tiny
from trainer.data.patch_set import PatchSet
from trainer.errors import TrainingError
from trainer.training.memory import explained_out_of_memory
from trainer.training.pixel_step import PixelPhase
from trainer.training.session import train

CPU = torch.device("cpu")
TOO_MANY_BYTES = 1 << 60


def test_out_of_memory_in_a_step_names_the_sizes_and_the_remedy(
    patch_set: PatchSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PixelPhase, "train_step", lambda phase, batch: torch.empty(TOO_MANY_BYTES, dtype=torch.uint8))
    with pytest.raises(TrainingError, match=r"memory of cpu .* 2 patches of 16 pixels .* --accumulate 2"):
        train(patch_set, tiny(), tmp_path / "run", CPU, ("pixel",))


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory.")])
def test_every_device_is_understood(error: Exception) -> None:
    with pytest.raises(TrainingError, match="--accumulate"), explained_out_of_memory(tiny(), CPU):
        raise error


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(RuntimeError, match="shapes"), explained_out_of_memory(tiny(), CPU):
        raise RuntimeError("shapes do not match")
