"""Measures: SSIM, NIQE, FID, precision and recall against known numbers, other implementations and plain formulas."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.cli.main import main
from trainer.errors import EvaluationError
from trainer.metrics.distribution import frechet_distance, precision_recall
from trainer.metrics.evaluation import evaluate
from trainer.metrics.extra_metrics import ExtraMetrics
from trainer.metrics.halo import TOLERANCE, measure_halo, mirrored, tiling_error
from trainer.metrics.niqe import NiqeModel
from trainer.metrics.pictures import bicubic, even_picture, picture_files, reduced
from trainer.metrics.psnr_ssim import luma, luma_ssim
from trainer.metrics.table import table
from trainer.metrics.texture import PERIODS, Texture, compare_textures, energy_at
from weights import WeightsMetadata, build_generator, enlarge, load_generator, save_generator
from weights.torchvision_operators import declare_operators


def _noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_ssim_of_bicubic_comes_out_as_published(shared: Path) -> None:
    (row,) = evaluate({}, shared / "bench" / "Set5")
    assert row.ssim == pytest.approx(0.9299, abs=0.001)  # MATLAB's bicubic, in every paper on Set5


def test_ssim_equals_torchmetrics_over_windows_that_fit() -> None:
    declare_operators()
    metrics = pytest.importorskip("torchmetrics.functional.image")
    ours, theirs = _noise(40, 50, 3), _noise(40, 50, 3, seed=1)
    sides = [torch.from_numpy(luma(side)[2:-2, 2:-2])[None, None] for side in (ours, theirs)]
    # torchmetrics also counts windows that reach beyond the picture, which papers do not
    _, everywhere = metrics.structural_similarity_index_measure(
        *sides, gaussian_kernel=True, sigma=1.5, data_range=255.0, return_full_image=True
    )
    assert luma_ssim(ours, theirs) == pytest.approx(float(everywhere[..., 5:-5, 5:-5].mean()), abs=1e-5)
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
    metrics = ExtraMetrics.of(
        shared / "perceptual" / "niqe_pris_params.npz",
        "squeezenet",
        shared / "perceptual" / "squeezenet1_1_caffe_features.safetensors",
        torch.device("cpu"),
    )
    rows = evaluate({"same": bicubic}, tmp_path / "images", metrics)
    first, second = (row.figures() for row in rows)
    assert {"niqe", "distance", "fid", "precision", "recall"} <= set(first)
    assert first | {"name": ""} == second | {"name": ""}
    assert first["distance"] > 0
    text = table(rows)
    assert [word for word in ("Y-PSNR", "Y-SSIM", "NIQE", "FID", "recall") if word not in text] == []


def test_energy_at_a_period_is_told_from_others() -> None:
    rows = np.tile(np.arange(64.0), (48, 1))
    waves = {period: 100 * np.cos(2 * np.pi * rows / period) for period in (2, 3, 4, 8)}
    for period in PERIODS:
        energies = {other: energy_at(wave, period) for other, wave in waves.items()}
        strongest = energies.pop(period)
        assert max(energies.values()) < 1e-3 * strongest
    assert energy_at(waves[4].T, 4) == pytest.approx(energy_at(waves[4], 4), rel=0.5)  # columns count like rows
    assert energy_at(2 * waves[4], 4) == pytest.approx(4 * energy_at(waves[4], 4))


def test_a_grid_and_a_loss_of_detail_are_seen_against_the_originals() -> None:
    photo = _noise(128, 128, 3)
    grid = np.clip(photo.astype(int) + 40 * (np.arange(128) % 2)[None, :, None], 0, 255).astype(np.uint8)
    soft = bicubic(reduced(photo))
    texture = {name: [Texture.of(picture)] for name, picture in {"photo": photo, "grid": grid, "soft": soft}.items()}
    same, grown, lost = (compare_textures(texture["photo"], texture[name]) for name in ("photo", "grid", "soft"))
    assert same["energy_2"] == same["energy_4"] == 1
    assert grown["energy_2"] > 1.25 > grown["energy_4"]
    assert lost["energy_2"] < 0.1


def test_detail_in_blur_is_that_of_the_smoothest_tenth_of_all_patches() -> None:
    rough = [_noise(96, 96, 3, seed=seed) for seed in range(10)]  # 9 patches each
    smooth = np.full((96, 96, 3), 128, dtype=np.uint8)
    invented = smooth + (np.indices((96, 96)).sum(axis=0) % 2 * 2).astype(np.uint8)[:, :, None]
    originals = [Texture.of(picture) for picture in (*rough, smooth)]
    made = [Texture.of(picture) for picture in (*rough, invented)]
    found = compare_textures(originals, made)
    assert found["blur_original"] == pytest.approx(0, abs=1e-12)  # 9 of 99 patches
    assert found["blur_detail"] == pytest.approx(1, rel=0.05)  # a board of 0 and 2 varies by 1
    assert compare_textures(made, originals)["blur_detail"] == pytest.approx(0, abs=1e-12)


def test_pictures_kept_as_jpeg_are_measured_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(_noise(96, 96, 3)).save(tmp_path / "a.png")
    words = ["evaluate", "--images", str(tmp_path), "--jpeg", "60", "--jpeg", "95", "--texture"]
    assert main(words) == 0
    assert "JPEG 60 PSNR" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["jpeg60_psnr"] < row["jpeg95_psnr"] < row["psnr"]
    assert row["energy_2"] < row["energy_4"] < 1


def test_a_measure_that_cannot_be_taken_is_a_dash_and_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(_noise(12, 12, 3)).save(tmp_path / "a.png")
    assert "–" not in table(evaluate({}, tmp_path))
    assert main(["evaluate", "--images", str(tmp_path), "--json"]) == 0
    assert '"ssim": null' in capsys.readouterr().out


def test_a_tile_is_exact_with_the_receptive_radius_as_its_halo_and_not_with_less() -> None:
    generator, picture = build_generator("compact", {"features": 4, "layers": 1}).eval(), torch.rand(1, 3, 80, 96)
    radius = generator.receptive_radius
    whole = enlarge(generator, mirrored(picture, radius))[..., 2 * radius : -2 * radius, 2 * radius : -2 * radius]
    assert tiling_error(generator, picture, whole, radius) < 1e-5 < tiling_error(generator, picture, whole, 1)


def test_tiles_of_nafnet_agree_with_the_whole_picture_though_its_means_reach_further() -> None:
    torch.manual_seed(0)
    generator = build_generator("nafnet", {"features": 8, "blocks": 6}).eval()
    for parameter in generator.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape))
    picture = torch.nn.functional.interpolate(torch.rand(1, 3, 18, 18), (144, 144), mode="bicubic").clamp(0, 1)
    halo = measure_halo([generator], [picture])
    assert halo.pixels < generator.receptive_radius
    assert 0 < halo.error <= TOLERANCE


@pytest.mark.parametrize(
    ("architecture", "config"),
    [
        ("compact", {"features": 8, "layers": 2}),
        ("dilated_rrdb", {"features": 8, "growth": 8, "blocks": 1, "pairs": 1}),
        ("dilated_rrdb", {"features": 8, "growth": 8, "blocks": 1, "pairs": 1, "repeats": 2, "squeeze_radius": 2}),
        ("espcn", {}),
        ("nafnet", {"features": 8, "blocks": 2}),
    ],
)
def test_onnx_computes_the_same_and_keeps_the_metadata(
    tmp_path: Path, architecture: str, config: dict[str, int]
) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    from trainer.export.onnx import export_onnx

    file = tmp_path / "m.safetensors"
    save_generator(build_generator(architecture, config), WeightsMetadata("", {}, 2, 4, title="T"), file)
    session = runtime.InferenceSession(str(export_onnx(file)), providers=["CPUExecutionProvider"])
    low_res = torch.rand(1, 3, 20, 33)
    expected = enlarge(load_generator(file).generator, low_res)
    np.testing.assert_allclose(session.run(None, {"low_res": low_res.numpy()})[0], expected.numpy(), atol=1e-5)
    assert session.get_modelmeta().custom_metadata_map["modelspec.title"] == "T"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "m.safetensors"]
