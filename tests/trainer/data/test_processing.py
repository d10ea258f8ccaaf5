"""What the photo mix does beyond blur, reduction, noise and one JPEG, and that nothing else changes by it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from trainer.config import TrainingConfig
from trainer.data.degradation.degrade import Degradation, DegradationConfig, apply, draw
from trainer.data.degradation.processing import (
    LARGEST_JPEG_SCALE,
    UNPROCESSED,
    Processing,
    ProcessingConfig,
    compressed,
    draw_processing,
)
from trainer.data.pairs import degradation_of
from trainer.errors import ConfigError

PHOTO = DegradationConfig("photo")
EVERYTHING = ProcessingConfig(0.1, 0.6, 0.2, 0.3, 0.4)
GREY = np.full((512, 512, 3), 64, dtype=np.uint8)


def _scene(size: int = 96) -> np.ndarray:
    """Soft colour with an edge across it."""
    ramp = np.linspace(40, 200, size)
    scene = np.stack([np.tile(ramp, (size, 1)), np.tile(ramp[:, None], (1, size)), np.full((size, size), 90)], axis=2)
    scene[size // 3 :, size // 2 :] *= 0.5
    return scene.astype(np.uint8)


def _draws(config: ProcessingConfig, count: int = 2000) -> list[Processing]:
    return [draw_processing(seed, config, (30, 95), 0.5) for seed in range(count)]


def test_processing_changes_nothing_else_that_is_drawn() -> None:
    plain, processed = (np.random.default_rng(5) for _ in range(2))
    config = replace(PHOTO, processing=replace(EVERYTHING, clean_probability=0.0))
    for _ in range(20):
        before, after = draw(plain, PHOTO), draw(processed, config)
        assert before.processing == UNPROCESSED
        assert replace(after, processing=UNPROCESSED) == before


def test_each_step_has_the_share_that_was_asked_for() -> None:
    drawn = _draws(EVERYTHING)
    shares = (
        np.mean([item.clean for item in drawn]),
        np.mean([item.grain for item in drawn]),
        np.mean([item.sharpening > 0 for item in drawn]),
        np.mean([item.jpeg_scale > 1 for item in drawn]),
        np.mean([item.second_quality > 0 for item in drawn]),
    )
    assert shares == pytest.approx((0.1, 0.6, 0.2, 0.3, 0.4), abs=0.04)
    assert {item.second_quality for item in drawn} == {0, *range(30, 96)}
    assert max(item.jpeg_scale for item in drawn) <= LARGEST_JPEG_SCALE
    assert {item.block_shift for item in drawn} == {(down, right) for down in range(8) for right in range(8)}


def test_the_same_seed_gives_the_same_pixels() -> None:
    assert _draws(EVERYTHING, 20) == _draws(EVERYTHING, 20)
    processed = Degradation(
        gaussian=5.0, quality=50, noise_seed=3, processing=Processing(grain=True, jpeg_scale=1.4, second_quality=60)
    )
    np.testing.assert_array_equal(apply(_scene(), processed), apply(_scene(), processed))


def test_a_clean_patch_is_reduced_and_nothing_else() -> None:
    config = replace(
        PHOTO, noise_probability=1.0, jpeg_probability=1.0, processing=ProcessingConfig(clean_probability=1.0)
    )
    drawn = draw(np.random.default_rng(1), config)
    assert drawn == Degradation(reduction=drawn.reduction)


@pytest.mark.parametrize("neighbour", [0.0, 0.5])
@pytest.mark.parametrize("colour", [0.0, 0.4, 1.0])
def test_grain_has_its_strength_and_its_correlation(neighbour: float, colour: float) -> None:
    processing = Processing(grain=True, neighbour_share=neighbour, colour_share=colour)
    noise = apply(GREY, Degradation("area", gaussian=6.0, noise_seed=1, processing=processing)).astype(float) - 64
    red, green = noise[..., 0], noise[..., 1]
    assert noise.std() == pytest.approx(6.0, rel=0.04)
    assert np.corrcoef(red[:, 1:].ravel(), red[:, :-1].ravel())[0, 1] == pytest.approx(
        2 * neighbour / (1 + 2 * neighbour**2), abs=0.03
    )
    assert np.corrcoef(red.ravel(), green.ravel())[0, 1] == pytest.approx(1 - colour, abs=0.03)


def test_grain_grows_with_the_light_where_that_was_drawn() -> None:
    processing = Processing(grain=True, signal_share=1.0)
    noisy = apply(GREY, Degradation("area", gaussian=6.0, noise_seed=1, processing=processing))
    assert float(noisy.std()) == pytest.approx(6.0 * (64 / 255) ** 0.5, rel=0.04)


def test_sharpening_leaves_halos_at_edges_only() -> None:
    scene = np.full((96, 96, 3), 60, dtype=np.uint8)
    scene[:, 48:] = 180
    result = apply(scene, Degradation("area", processing=Processing(sharpening=1.0, sharpening_radius=1.0)))
    assert result[24, 23, 0] < 60
    assert result[24, 24, 0] > 180
    assert result[24, 5, 0] == 60
    assert result[24, 42, 0] == 180


def test_the_grid_of_blocks_begins_where_it_was_drawn() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    steps = np.abs(np.diff(compressed(noise, 10, False, (3, 5)).astype(float), axis=0)).mean(axis=(1, 2))
    strongest = max(range(8), key=lambda phase: steps[phase::8].mean())
    assert strongest == 8 - 3 - 1  # between the rows 4 and 5, 12 and 13 …


@pytest.mark.parametrize("reduction", ["bicubic", "area", "lanczos", "linear_area"])
def test_compressed_at_a_larger_size_it_keeps_its_place(reduction: str) -> None:
    scene = _scene()
    clean = apply(scene, Degradation(reduction)).astype(float)
    small = apply(scene, Degradation(reduction, quality=95))
    large = apply(scene, Degradation(reduction, quality=95, processing=Processing(jpeg_scale=1.7)))
    assert large.shape == small.shape
    assert not np.array_equal(large, small)
    assert np.abs(large - clean).mean() < 1.5


def test_the_settings_reach_the_degradation() -> None:
    config = TrainingConfig(clean_probability=0.1, second_jpeg_probability=0.2)
    assert degradation_of(config).processing == ProcessingConfig(clean_probability=0.1, second_jpeg_probability=0.2)
    assert degradation_of(TrainingConfig()).processing == ProcessingConfig()


@pytest.mark.parametrize("on_the_device", [{"device_degradation": True}, {"cache_patches": "device"}])
def test_what_only_the_loader_can_do_is_refused_on_the_device(on_the_device: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="--grain-probability"):
        TrainingConfig(grain_probability=0.5, **on_the_device)
