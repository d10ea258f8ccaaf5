"""Several processes: the same curve as one process with the larger batch; and what saves memory changes nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainer.conftest import TINY, take_step, tiny
from trainer.data.batches import PatchBatches, on_device
from trainer.data.patch_set import FORMAT, MANIFEST, PatchSet, patch_path
from trainer.errors import CheckpointError, ConfigError, TrainingError
from trainer.training.checkpoint import load_checkpoint, save_checkpoint
from trainer.training.pixel_step import PixelPhase
from trainer.training.precision import check_precision
from trainer.training.session import train_pixel_phase

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[3]


def _on_disk(patch_set: PatchSet, folder: Path) -> Path:
    """Lay a set of patches out as the slicer does."""
    for split in ("train", "validation"):
        for number, file in enumerate(getattr(patch_set, split)):
            target = patch_path(folder, split, number)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    counts = {"train": len(patch_set.train), "validation": len(patch_set.validation)}
    (folder / MANIFEST).write_text(json.dumps({"format": FORMAT, "hash": "h", "counts": counts}), encoding="utf-8")
    return folder


def _flags(values: dict[str, Any]) -> list[str]:
    words = []
    for name, value in values.items():
        text = ",".join(f"{key}={size}" for key, size in value.items()) if isinstance(value, dict) else str(value)
        words += [f"--{name.replace('_', '-')}", text]
    return words


def _train(folder: Path, patches: Path, values: dict[str, Any], processes: int) -> list[dict[str, Any]]:
    words = ["train", str(patches), "--run-dir", str(folder), "--device", "cpu", *_flags(values)]
    starter = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--standalone"] if processes > 1 else []
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *starter, "-m", "trainer", *words],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")
def test_two_processes_follow_the_curve_of_one_with_the_double_batch(patch_set: PatchSet, tmp_path: Path) -> None:
    patches = _on_disk(patch_set, tmp_path / "patches")
    values = TINY | {"pixel_steps": 8, "validate_every": 2, "learning_rate": 1e-3}
    one = _train(tmp_path / "one", patches, values | {"batch_size": 4}, processes=1)
    two = _train(tmp_path / "two", patches, values | {"batch_size": 2}, processes=2)
    assert len(one) == len(two) == 4
    for single, double in zip(one, two, strict=True):
        assert double["loss"] == pytest.approx(single["loss"], rel=1e-3)
        assert double["validation_psnr"] == pytest.approx(single["validation_psnr"], abs=0.01)


def _parameters_after_a_step(patch_set: PatchSet, **values: object) -> list[torch.Tensor]:
    config = tiny(**values)
    phase = PixelPhase(config, CPU)
    take_step(phase, PatchBatches(patch_set.train, config)[0])
    return [parameter.detach() for parameter in phase.generator.parameters()]


def test_accumulated_parts_move_the_generator_as_the_whole_batch_does(patch_set: PatchSet) -> None:
    whole = _parameters_after_a_step(patch_set, batch_size=4)
    parts = _parameters_after_a_step(patch_set, batch_size=4, accumulate=2)
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-5)


def test_activations_computed_again_give_the_same_gradients(patch_set: PatchSet) -> None:
    values = {
        "architecture": "dilated_rrdb",
        "generator": {"features": 8, "growth": 8, "blocks": 2, "pairs": 1},
        "expansion": 0,
    }
    kept = _parameters_after_a_step(patch_set, **values)
    again = _parameters_after_a_step(patch_set, checkpoint_activations=True, **values)
    for one, other in zip(kept, again, strict=True):
        torch.testing.assert_close(one, other)


def test_activations_of_a_small_generator_cannot_be_computed_again() -> None:
    with pytest.raises(ConfigError, match="compact has no trunk of blocks"):
        PixelPhase(tiny(checkpoint_activations=True), CPU)


def test_every_other_step_applies_the_generator_twice(patch_set: PatchSet) -> None:
    config = tiny(twice=True, pixel_steps=4)
    reader = PatchBatches(patch_set.train, config)
    shapes = [tuple(side.shape[2:]) for step in range(2) for side in reader[step]]
    assert shapes == [(16, 16), (32, 32), (16, 16), (64, 64)]
    phase = PixelPhase(config, CPU)
    assert all(np.isfinite(take_step(phase, reader[step])["loss"]) for step in range(4))
    with pytest.raises(ConfigError, match="expected at most 64 with --twice"):
        tiny(twice=True, patch_size=80)


@pytest.mark.parametrize("degradation", ["bicubic", "photo"])
def test_the_device_makes_the_pairs_that_the_loader_would_make(patch_set: PatchSet, degradation: str) -> None:
    values = {"degradation": degradation, "noise_probability": 0.0, "blur_probability": 0.0, "batch_size": 6}
    loader, device = tiny(**values), tiny(device_degradation=True, **values)
    for step in range(2):
        theirs = on_device(PatchBatches(patch_set.train, loader)[step], CPU)
        ours = on_device(PatchBatches(patch_set.train, device)[step], CPU)
        torch.testing.assert_close(ours[1], theirs[1], rtol=0, atol=0)
        assert float((ours[0] - theirs[0]).abs().mean()) * 255 < 1.2


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "c.pt"
    save_checkpoint({"step": 1}, file)

    def full(*_: object) -> None:
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CheckpointError, match=r"cannot be written .*file write failed.*; make room"):
        save_checkpoint({"step": 2}, file)
    monkeypatch.undo()
    loaded = load_checkpoint(file)
    assert loaded is not None
    assert loaded["step"] == 1
    assert list(tmp_path.iterdir()) == [file]


def test_bfloat16_is_left_where_it_differs_too_much() -> None:
    low_res = torch.rand(1, 3, 8, 8)

    def unstable(pictures: torch.Tensor) -> torch.Tensor:
        return pictures + (0.1 if torch.is_autocast_enabled("cpu") else 0.0)

    assert check_precision(unstable, low_res, tiny(precision="auto"), torch.bfloat16) == torch.float32
    with pytest.raises(TrainingError, match=r"differs from float32 by 25\.50/255.*--precision float32"):
        check_precision(unstable, low_res, tiny(precision="bfloat16"), torch.bfloat16)
    assert check_precision(lambda pictures: pictures, low_res, tiny(precision="auto"), torch.bfloat16) == torch.bfloat16


def test_training_in_bfloat16_goes_down(patch_set: PatchSet, tmp_path: Path) -> None:
    config = tiny(precision="bfloat16", pixel_steps=6, validate_every=3)
    assert train_pixel_phase(patch_set, config, tmp_path, CPU).dtype == torch.bfloat16
