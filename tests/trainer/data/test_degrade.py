"""Degradation: repeatable, alike on both sides, and the device's version against Pillow and libjpeg."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.data.degradation.degrade import REDUCTIONS, Degradation, DegradationConfig, apply, degrade, draw, turned
from trainer.data.degradation.device_degrade import degrade_batch
from trainer.data.degradation.device_jpeg import compress

PHOTO = DegradationConfig("photo")


def _scene(size: int = 96, seed: int = 0) -> np.ndarray:
    """Something like a photo: soft colour, edges and fine texture."""
    random = np.random.default_rng(seed)
    soft = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((size, size), 3)
    scene = np.asarray(soft).astype(float)
    scene[size // 3 :, size // 2 :] *= 0.5
    return np.clip(scene + random.normal(0, 6, scene.shape), 0, 255).astype(np.uint8)


def _rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _mean_difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(float) - b.astype(float)).mean())


def test_same_seed_same_pair_other_seed_another() -> None:
    first, again = (degrade(_scene(), _rng(1, 2, 3), PHOTO)[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    others = [degrade(_scene(), _rng(1, 2, index), PHOTO)[0] for index in range(4, 12)]
    assert all(not np.array_equal(first, other) for other in others)


def test_bicubic_is_pillows_and_draws_nothing() -> None:
    random, scene = _rng(7), _scene()
    low_res, high_res = degrade(scene, random, DegradationConfig("bicubic"))
    assert high_res is scene
    np.testing.assert_array_equal(
        low_res, np.asarray(Image.fromarray(scene).resize((48, 48), Image.Resampling.BICUBIC))
    )
    assert random.random() == _rng(7).random()


def test_every_draw_takes_the_same_random_numbers() -> None:
    ends = set()
    for probability in (0.0, 0.5, 1.0):
        random = _rng(5)
        draw(
            random,
            replace(PHOTO, blur_probability=probability, noise_probability=probability, jpeg_probability=probability),
        )
        ends.add(random.random())
    assert len(ends) == 1


def test_draws_cover_their_ranges() -> None:
    drawn = [draw(_rng(index), PHOTO) for index in range(3000)]
    assert {item.reduction for item in drawn} == set(REDUCTIONS)
    qualities = {item.quality for item in drawn}
    assert qualities == {0, *range(50, 100)}
    assert 0.45 < np.mean([item.quality > 0 for item in drawn]) < 0.55
    assert 0.25 < np.mean([item.blur > 0 for item in drawn]) < 0.35
    assert 0.25 < np.mean([item.gaussian + item.poisson > 0 for item in drawn]) < 0.35
    assert max(item.blur for item in drawn) <= 0.8
    assert not any(item.gaussian and item.poisson for item in drawn)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.8, 1.0])
def test_bicubic_has_the_share_that_was_asked_for_and_the_others_are_alike(share: float) -> None:
    config = DegradationConfig(mode="photo", bicubic_probability=share)
    drawn = [draw(np.random.default_rng([1, number]), config).reduction for number in range(1200)]
    for name in REDUCTIONS:
        expected = share if name == "bicubic" else (1 - share) / (len(REDUCTIONS) - 1)
        assert drawn.count(name) / len(drawn) == pytest.approx(expected, abs=0.05)


def test_reductions_differ_but_keep_the_place() -> None:
    scene = _scene()
    results = {name: apply(scene, Degradation(name)) for name in REDUCTIONS}
    for name, result in results.items():
        assert result.shape == (48, 48, 3)
        assert _mean_difference(result, results["area"]) < 8, name
    assert len({result.tobytes() for result in results.values()}) == len(REDUCTIONS)


@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_noise_has_the_strength_that_was_drawn(kind: str) -> None:
    grey = np.full((512, 512, 3), 64, dtype=np.uint8)
    noisy = apply(grey, Degradation("area", **{kind: 4.0}, noise_seed=1))
    expected = 4.0 if kind == "gaussian" else 4.0 * (64 / 255) ** 0.5
    assert float(noisy.std()) == pytest.approx(expected, rel=0.03)
    assert float(noisy.mean()) == pytest.approx(64, abs=0.05)


def test_turns_are_the_eight_positions_and_hold_for_both_sides() -> None:
    scene = _scene(32)
    positions = {turned(scene, turn).tobytes() for turn in range(8)}
    assert len(positions) == 8
    for turn in range(8):  # the reduced turned patch is the turned reduced patch
        both = degrade(turned(scene, turn), _rng(0), DegradationConfig("bicubic"))[0]
        assert np.abs(both.astype(int) - turned(degrade(scene, _rng(0), DegradationConfig())[0], turn)).max() <= 1


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("blur", [0.0, 0.6])
def test_device_reduces_and_blurs_as_pillow_does(reduction: str, blur: float) -> None:
    scene, what = _scene(), Degradation(reduction, blur=blur)
    ours = degrade_batch(torch.from_numpy(scene).permute(2, 0, 1)[None], [what])[0].permute(1, 2, 0).numpy()
    difference = np.abs(ours.astype(int) - apply(scene, what))
    # Pillow's Gaussian blur is made of boxes: close, not equal
    assert difference.max() <= (1 if not blur else 6)
    assert difference.mean() < (0.1 if not blur else 0.7)


@pytest.mark.parametrize("quality", [50, 75, 90, 99])
@pytest.mark.parametrize("half_chroma", [False, True], ids=["444", "420"])
@pytest.mark.parametrize("size", [(96, 96), (50, 43)], ids=["whole blocks", "cut blocks"])
def test_device_jpeg_equals_libjpeg(quality: int, half_chroma: bool, size: tuple[int, int]) -> None:
    scene = _scene()[: size[0], : size[1]]
    buffer = io.BytesIO()
    Image.fromarray(scene).save(buffer, "JPEG", quality=quality, subsampling=2 if half_chroma else 0)
    libjpeg = np.asarray(Image.open(buffer))
    batch = torch.from_numpy(scene.copy()).permute(2, 0, 1)[None].float()
    ours = compress(batch, torch.tensor([quality]), torch.tensor([half_chroma]))[0].permute(1, 2, 0).numpy()
    assert _mean_difference(ours, libjpeg) < (1.2 if half_chroma else 0.6)  # libjpeg's transform is in whole numbers
    assert _mean_difference(ours, libjpeg) < _mean_difference(scene, libjpeg)


def test_device_treats_each_patch_of_a_batch_as_drawn() -> None:
    scenes = [_scene(seed=index) for index in range(6)]
    batch = torch.stack([torch.from_numpy(scene).permute(2, 0, 1) for scene in scenes])
    config = replace(PHOTO, noise_probability=0.0)
    drawn = [draw(_rng(1, index), config) for index in range(6)]
    ours = degrade_batch(batch, drawn).permute(0, 2, 3, 1).numpy()
    for result, scene, what in zip(ours, scenes, drawn, strict=True):
        assert _mean_difference(result, apply(scene, what)) < 1.2


def test_device_noise_has_the_strength_that_was_drawn() -> None:
    grey = torch.full((3, 3, 256, 256), 64, dtype=torch.uint8)
    what = [Degradation("area", gaussian=4.0), Degradation("area", poisson=4.0, noise_seed=3), Degradation("area")]
    noisy = degrade_batch(grey, what).float()
    assert noisy.std(dim=(1, 2, 3)).tolist() == pytest.approx([4.0, 4.0 * (64 / 255) ** 0.5, 0.0], rel=0.03)
