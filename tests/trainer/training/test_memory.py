"""When the memory does not suffice, the user learns what to change."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import tiny
from trainer.data.patch_set import PatchSet
from trainer.errors import TrainingError
from trainer.training.memory import explained_out_of_memory, release_memory
from trainer.training.pixel_step import PixelPhase
from trainer.training.session import train, train_pixel_phase

CPU = torch.device("cpu")
TOO_MANY_BYTES = 1 << 60


def test_out_of_memory_in_a_step_names_the_sizes_and_the_remedy(
    patch_set: PatchSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PixelPhase, "train_step", lambda phase, batch: torch.empty(TOO_MANY_BYTES, dtype=torch.uint8))
    with pytest.raises(TrainingError, match=r"memory of cpu .* one patch of 16 pixels .* --patch-size"):
        train(patch_set, tiny(), tmp_path / "run", CPU, ("pixel",))


def test_a_batch_that_does_not_fit_is_computed_in_parts_and_gives_the_same_generator(
    patch_set: PatchSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(batch_size=4, pixel_steps=3)
    whole = train_pixel_phase(patch_set, config, tmp_path / "whole", CPU)
    enlarged = PixelPhase.enlarged

    def enlarged_where_one_fits(phase: PixelPhase, low_res: torch.Tensor) -> torch.Tensor:
        return enlarged(phase, low_res) if len(low_res) == 1 else torch.empty(TOO_MANY_BYTES, dtype=torch.uint8)

    monkeypatch.setattr(PixelPhase, "enlarged", enlarged_where_one_fits)
    parts = train_pixel_phase(patch_set, config, tmp_path / "parts", CPU)
    assert (whole.part_count, parts.part_count) == (1, 4)
    pairs = zip(whole.generator.parameters(), parts.generator.parameters(), strict=True)
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in pairs)
    assert "in 4 parts" in (tmp_path / "parts" / "metrics.jsonl").read_text()


@pytest.mark.parametrize(
    "error",
    [MemoryError(), torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("MPS backend out of memory (9.05 GB)")],
)
def test_every_device_is_understood(error: Exception) -> None:
    with pytest.raises(TrainingError, match="--accumulate"), explained_out_of_memory(tiny(), CPU):
        raise error


@pytest.mark.parametrize("device", ["cuda", "mps", "xpu"])
def test_a_device_gets_back_what_its_allocator_keeps(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    emptied: list[str] = []
    monkeypatch.setattr(getattr(torch, device), "empty_cache", lambda: emptied.append(device))
    release_memory(torch.device(device))
    release_memory(CPU)
    assert emptied == [device]


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(RuntimeError, match="shapes"), explained_out_of_memory(tiny(), CPU):
        raise RuntimeError("shapes do not match")
