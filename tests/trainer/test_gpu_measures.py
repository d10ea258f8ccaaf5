"""The figures of a lent GPU: counted right, kept as they come, taken from the real server."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainer.conftest import tiny
from trainer.checkpoint import save_checkpoint
from trainer.gpu import measuring
from trainer.gpu.measuring import Wanted, measure_all, operations_per_pixel
from trainer.gpu.trial import Trial, note_trial
from trainer.pixel import PixelPhase
from weights import WeightsMetadata, build_generator, save_generator

CPU = torch.device("cpu")


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    """A run folder with a checkpoint, a weights file, and a set of one picture."""
    (tmp_path / "bench" / "Tiny").mkdir(parents=True)
    random = np.random.default_rng(0)
    small = random.integers(0, 256, (12, 16, 3), dtype=np.uint8)
    Image.fromarray(small).resize((128, 96), Image.Resampling.BICUBIC).save(tmp_path / "bench" / "Tiny" / "0.png")
    save_checkpoint(PixelPhase(tiny(), CPU).state(), tmp_path / "run" / "pixel.pt")
    torch.manual_seed(1)
    generator = build_generator("compact", {"features": 8, "layers": 2}).eval()
    (tmp_path / "ready").mkdir()
    path = tmp_path / "ready" / "tiny-faithful.safetensors"
    save_generator(generator, WeightsMetadata("compact", {}, 2, halo=generator.receptive_radius), path)
    return Wanted(
        run=tmp_path / "run", device=CPU, weights=[path], benchmarks=tmp_path / "bench", evaluate_flags=(),
        layer=(90, 60), matrix_side=64, deadline=time.monotonic() + 600,
    )  # fmt: skip


def test_operations_are_counted_as_twice_the_products_of_the_convolutions() -> None:
    products = 9 * 3 * 8 + 9 * 8 * 8 * 2 + 9 * 8 * 12
    assert operations_per_pixel("compact", {"features": 8, "layers": 2}) == 2 * products


def test_a_training_patch_of_the_large_generator_costs_about_0_4_teraflop() -> None:
    assert 3 * operations_per_pixel("dilated_rrdb", {}) * 64**2 == pytest.approx(0.403e12, rel=0.01)


def test_figures_are_kept_as_they_come_and_only_what_failed_is_taken_again(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> dict[str, object]:
        raise RuntimeError("no server today")

    taken: list[str] = []
    monkeypatch.setattr(measuring, "_serving", fails)
    monkeypatch.setattr(measuring, "_quality", lambda wanted, folder: taken.append(folder.name) or {"psnr": 30.0})
    found = measure_all(wanted, lambda sentence: None)
    assert found["serving tiny-faithful"] == {"failed": "RuntimeError: no server today"}
    assert found["machine"]["matrix_teraflops"] > 0
    assert found["training"]["patches_per_second"] > 0
    monkeypatch.setattr(measuring, "_serving", lambda wanted, path: {"megapixels_per_second": 1.0})
    monkeypatch.setattr(measuring, "matrix_rate", fails)
    again = measure_all(wanted, lambda sentence: None)
    assert again["machine"] == found["machine"]
    assert again["serving tiny-faithful"] == {"megapixels_per_second": 1.0}
    assert taken == ["Tiny"]
    assert json.loads((wanted.run / "measures.json").read_text()) == again


def test_the_real_server_enlarges_a_layer_and_agrees_with_one_run(wanted: Wanted) -> None:
    figures = measuring._serving(wanted, wanted.weights[0])
    assert "failed" not in figures
    assert figures["megapixels"] == pytest.approx(90 * 60 / 1e6)
    assert figures["megapixels_per_second"] > 0
    # an untrained net drifts in colour, which the server corrects; misplaced tiles would differ by far more
    assert figures["mean_difference_from_one_run"] < 8
    assert figures["status"]["name"] == "neural-upscale"


def test_a_trial_that_another_command_has_begun_is_waited_for_and_not_begun_again(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        probe = Trial(tmp_path, tiny(), CPU)
        probe.close()
        asked = json.loads(probe.request.read_text()) | {"asked_by": other.pid}
        probe.request.write_text(json.dumps(asked))
        trial = Trial(tmp_path, tiny(), CPU)
        assert trial.process is None
        note_trial(tmp_path, trial.key, {"eager": 100.0, "compiled": 130.0})
        assert trial.pays(30.0)
    finally:
        other.kill()
        other.wait()
