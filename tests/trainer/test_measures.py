"""Measures: SSIM, NIQE, FID, precision and recall against known numbers, other implementations and plain formulas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.cli import main
from trainer.errors import EvaluationError
from trainer.measuring.distribution import frechet_distance, precision_recall
from trainer.measuring.evaluation import bicubic, evaluate, even_picture, picture_files, reduced, table
from trainer.measuring.measures import Measures
from trainer.measuring.metrics import luma, luma_ssim
from trainer.measuring.niqe import NiqeModel
from trainer.measuring.speed import with_speed
from weights import LoadedWeights, WeightsMetadata, build_generator, load_generator, save_generator


def _noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_ssim_of_bicubic_comes_out_as_published(shared: Path) -> None:
    (row,) = evaluate({}, shared / "bench" / "Set5")
    assert row.ssim == pytest.approx(0.9299, abs=0.001)  # MATLAB's bicubic, in every paper on Set5


def test_ssim_equals_torchmetrics() -> None:
    try:
        from torchmetrics.functional import image as metrics
    except (ImportError, RuntimeError) as error:  # a torchvision built for another torch raises the latter
        pytest.skip(f"torchmetrics cannot be imported: {error}")
    ours, theirs = _noise(40, 50, 3), _noise(40, 50, 3, seed=1)
    sides = [torch.from_numpy(luma(side)[2:-2, 2:-2])[None, None] for side in (ours, theirs)]
    known = metrics.structural_similarity_index_measure(*sides, gaussian_kernel=True, sigma=1.5, data_range=255.0)
    assert luma_ssim(ours, theirs) == pytest.approx(float(known), abs=1e-5)
    assert luma_ssim(ours, ours) == pytest.approx(1)


def test_ssim_of_a_tiny_picture_is_no_number() -> None:
    assert np.isnan(luma_ssim(_noise(12, 12, 3), _noise(12, 12, 3)))


def test_niqe_prefers_the_photo_to_its_disturbed_copies(shared: Path) -> None:
    model = NiqeModel.load(shared / "perceptual" / "niqe_pris_params.npz")
    photo = even_picture(picture_files(shared / "bench" / "B100")[3])
    random = np.random.default_rng(0)
    noisy = np.clip(photo + random.normal(0, 25, photo.shape), 0, 255).astype(np.uint8)
    blurred = bicubic(reduced(photo))
    scores = [model(picture) for picture in (photo, blurred, noisy)]
    assert 1 < scores[0] < 7
    assert scores[0] < min(scores[1:])
    assert np.isnan(model(photo[:90]))


def test_niqe_tells_a_foreign_model(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", mu_pris_param=np.zeros(3), cov_pris_param=np.eye(3), gaussian_window=np.ones((7, 7)))
    with pytest.raises(EvaluationError, match="has 3 features; expected 36"):
        NiqeModel.load(tmp_path / "m.npz")
    (tmp_path / "m.npz").write_bytes(b"no")
    with pytest.raises(EvaluationError, match="cannot be read as NIQE's model"):
        NiqeModel.load(tmp_path / "m.npz")


def test_frechet_distance_of_known_gaussians() -> None:
    random = np.random.default_rng(0)
    one = random.normal(0, 1, (200_000, 2)) * [1, 2] + [0, 3]
    other = random.normal(0, 1, (200_000, 2)) * [3, 2] + [1, 1]
    assert frechet_distance(one, other) == pytest.approx(1 + 4 + (3 - 1) ** 2, rel=0.02)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-6)


def test_frechet_distance_with_crossed_covariances() -> None:
    random = np.random.default_rng(1)
    one, other = random.normal(size=(500, 4)) @ random.normal(size=(4, 4)), random.normal(size=(500, 4))
    product = np.cov(one, rowvar=False) @ np.cov(other, rowvar=False)
    shared_spread = np.sqrt(np.linalg.eigvals(product).astype(complex)).real.sum()
    expected = ((one.mean(0) - other.mean(0)) ** 2).sum() + np.cov(one, rowvar=False).trace()
    expected += np.cov(other, rowvar=False).trace() - 2 * shared_spread
    assert frechet_distance(one, other) == pytest.approx(expected)


def test_precision_and_recall_of_known_sets() -> None:
    grid = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0)), axis=-1).reshape(-1, 2)
    assert precision_recall(grid, grid + 0.1) == (1, 1)
    assert precision_recall(grid, grid + 1000) == (0, 0)
    half = grid[grid[:, 0] < 5]  # all of it natural, but only half of what is natural
    precision, recall = precision_recall(grid, half)
    assert precision == 1
    assert 0.5 <= recall < 0.8
    assert all(np.isnan(value) for value in precision_recall(grid[:3], grid))


def test_evaluate_measures_what_its_files_allow(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "images").mkdir()
    picture = even_picture(picture_files(shared / "bench" / "B100")[0])[:200, :200]
    Image.fromarray(picture).save(tmp_path / "images" / "a.png")
    measures = Measures.of(
        shared / "perceptual" / "niqe_pris_params.npz",
        "squeezenet",
        shared / "perceptual" / "squeezenet1_1_caffe_features.safetensors",
        torch.device("cpu"),
    )
    rows = evaluate({"same": bicubic}, tmp_path / "images", measures)
    first, second = (row.figures() for row in rows)
    assert {"niqe", "distance", "fid", "precision", "recall"} <= set(first)
    assert first | {"name": ""} == second | {"name": ""}
    assert first["distance"] > 0
    text = table(rows)
    assert [word for word in ("Y-PSNR", "Y-SSIM", "NIQE", "FID", "recall") if word not in text] == []


def test_a_measure_that_cannot_be_taken_is_a_dash_and_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(_noise(12, 12, 3)).save(tmp_path / "a.png")
    assert "–" not in table(evaluate({}, tmp_path))
    assert main(["evaluate", "--images", str(tmp_path), "--json"]) == 0
    assert '"ssim": null' in capsys.readouterr().out


def test_speed_and_halo_error_are_added_to_generators_only(tmp_path: Path) -> None:
    Image.fromarray(_noise(96, 96, 3)).save(tmp_path / "a.png")
    generator = build_generator("compact", {"features": 4, "layers": 1}).eval()
    exact = LoadedWeights(generator, WeightsMetadata("", {}, 2, generator.receptive_radius))
    short = LoadedWeights(generator, WeightsMetadata("", {}, 2, 1))
    rows = evaluate({"exact": bicubic, "short": bicubic}, tmp_path)
    plain, first, second = with_speed(rows, {"exact": exact, "short": short}, tmp_path)
    assert plain.extra == {}
    assert first.extra["megapixels_per_second"] > 0
    assert first.extra["halo_error"] < 1e-5 < second.extra["halo_error"]


@pytest.mark.parametrize(
    ("architecture", "config"),
    [
        ("compact", {"features": 8, "layers": 2}),
        ("dilated_rrdb", {"features": 8, "growth": 8, "blocks": 1, "pairs": 1}),
        ("espcn", {}),
    ],
)
def test_onnx_computes_the_same_and_keeps_the_metadata(
    tmp_path: Path, architecture: str, config: dict[str, int]
) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from trainer.exporting.onnx import export_onnx

    file = tmp_path / "m.safetensors"
    save_generator(build_generator(architecture, config), WeightsMetadata("", {}, 2, 4, title="T"), file)
    session = runtime.InferenceSession(str(export_onnx(file)), providers=["CPUExecutionProvider"])
    low_res = torch.rand(1, 3, 20, 33)
    from weights import enlarge

    expected = enlarge(load_generator(file).generator, low_res)
    np.testing.assert_allclose(session.run(None, {"low_res": low_res.numpy()})[0], expected.numpy(), atol=1e-5)
    assert session.get_modelmeta().custom_metadata_map["modelspec.title"] == "T"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "m.safetensors"]
