"""What can be seen of a training: figures, curves, samples, a plot, and the best state kept beside the last."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainer.conftest import tiny
from trainer.data.patch_set import PatchSet
from trainer.training.log import RECORD, plot, read_record
from trainer.training.session import train_pixel_phase
from trainer.training.validation import Validation, Validator

CPU = torch.device("cpu")


def test_losses_rates_psnr_and_samples_are_in_the_record_and_in_tensorboard(
    patch_set: PatchSet, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the protocol buffers that TensorBoard comes with
        events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train_pixel_phase(patch_set, tiny(pixel_steps=4, validate_every=2), tmp_path, CPU)
    record = [json.loads(line) for line in (tmp_path / RECORD).read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in record] == [2, 4]
    watched = {"loss", "l1", "fft", "validation_psnr", "validation_ssim", "learning_rate"}
    assert all(watched < set(line) for line in record)
    board = events.EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert {f"pixel/{name}" for name in watched} <= set(board.Tags()["scalars"])
    for name in watched:
        drawn = [(event.step, event.value) for event in board.Scalars(f"pixel/{name}")]
        assert drawn == [(line["step"], pytest.approx(line[name], rel=1e-5)) for line in record]
    (strip, _) = board.Images("pixel/original, bicubic, generator")
    assert (strip.width, strip.height) == (3 * 128, 2 * 128)
    with Image.open(tmp_path / "pixel-samples.png") as samples:
        original = np.asarray(samples)[:128, :128]
    with Image.open(patch_set.validation[0]) as patch:
        np.testing.assert_array_equal(original, np.asarray(patch)[64:192, 64:192])
    told = capfd.readouterr().err  # tqdm's bar: steps done of all, time passed < time remaining
    assert "pixel:" in told
    assert "4/4" in told
    assert "<00:0" in told


def test_a_plot_is_drawn_at_the_end_of_what_can_be_read(tmp_path: Path) -> None:
    assert plot(tmp_path) is None
    lines = [json.dumps({"phase": "pixel", "step": step, "validation_psnr": 30 + step}) for step in range(3)]
    (tmp_path / RECORD).write_text("\n".join(lines) + '\n{"step": 3, "valid', encoding="utf-8")  # a killed run
    assert len(read_record(tmp_path)) == 3
    drawn = plot(tmp_path)
    assert drawn is not None
    with Image.open(drawn) as picture:
        assert picture.width == 800


def test_the_best_state_is_kept_beside_the_last(
    patch_set: PatchSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = iter([30.0, 31.0, 30.5])
    monkeypatch.setattr(Validator, "__call__", lambda self, generator: Validation(next(measured), 0.9, None, []))
    train_pixel_phase(patch_set, tiny(pixel_steps=6, validate_every=2), tmp_path, CPU)
    best, last = (torch.load(tmp_path / name, weights_only=True) for name in ("pixel-best.pt", "pixel.pt"))
    assert (best["step"], last["step"]) == (4, 6)
    assert not torch.equal(*(next(iter(state["average"].values())) for state in (best, last)))
