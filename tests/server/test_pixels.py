"""Bytes ↔ planes, resampling, filling, transfer: each against something independent."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from server.client.protocol import DEPTHS, LAYOUTS, PixelFormat
from server.pixels import fill, resample, transfer
from server.pixels.layouts import ALPHA, DTYPES, as_samples, from_planes, to_planes


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_samples_survive_the_way_to_planes_and_back(layout: str, depth: str) -> None:
    random = np.random.default_rng(0)
    pixel_format = PixelFormat(layout, depth)
    if depth.startswith("u"):
        samples = random.integers(0, 2 ** (8 * DEPTHS[depth]), (5, 7, LAYOUTS[layout])).astype(DTYPES[depth])
    else:
        samples = random.uniform(-2, 9, (5, 7, LAYOUTS[layout])).astype(DTYPES[depth])
    viewed = as_samples(samples.tobytes(), 7, pixel_format)
    assert np.array_equal(from_planes(to_planes(viewed, pixel_format), pixel_format), samples)


def test_bgra_is_blue_first_and_colour_planes_are_red_first() -> None:
    planes = to_planes(np.array([[[1, 2, 3, 4]]], np.uint8), PixelFormat("BGRA", "u8"))
    assert (planes.colour[:, 0, 0] * 255).round().tolist() == [3, 2, 1]
    assert planes.alpha is not None
    assert ALPHA["BGRA"] == 3


def test_half_floats_beyond_their_range_become_the_largest_and_not_infinite() -> None:
    pixel_format = PixelFormat("GRAY", "f16")
    planes = to_planes(np.full((1, 1, 1), 1e9, np.float32), PixelFormat("GRAY", "f32"))
    assert np.isfinite(from_planes(planes, pixel_format)).all()


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
def test_bicubic_equals_pillows_away_from_the_border(factor: int) -> None:
    plane = np.random.default_rng(0).random((1, 20, 30), dtype=np.float32)
    pillow = np.asarray(Image.fromarray(plane[0]).resize((30 * factor, 20 * factor), Image.Resampling.BICUBIC))
    ours = resample.enlarge_bicubic(plane, 0, 20, factor)[0]
    border = 4 * factor
    assert np.abs(ours - pillow)[border:-border, border:-border].max() < 2e-6


def test_bicubic_of_a_part_equals_that_part_of_the_whole() -> None:
    plane = np.random.default_rng(0).random((2, 20, 9), dtype=np.float32)
    whole = resample.enlarge_bicubic(plane, 0, 20)
    assert np.array_equal(resample.enlarge_bicubic(plane[:, 3:14], 2, 7), whole[:, 10:24])


def test_bicubic_keeps_a_constant_exactly() -> None:
    assert (resample.enlarge_bicubic(np.ones((1, 5, 4), np.float32), 0, 5) == 1).all()


def test_bleeding_takes_the_nearest_known_colour_and_stops_at_its_reach() -> None:
    planes = np.zeros((1, 9, 30), np.float32)
    planes[0, :, :4] = 0.25
    unknown = np.ones((9, 30), bool)
    unknown[:, :4] = False
    fill.bleed(planes, unknown, reach=5)
    assert np.allclose(planes[0, :, :9], 0.25)
    assert (planes[0, :, 9:] == 0).all()


def test_bleeding_with_nothing_known_gives_zero() -> None:
    planes = np.full((3, 4, 4), np.nan, np.float32)
    fill.bleed(planes, np.ones((4, 4), bool), reach=3)
    assert (planes == 0).all()


def test_the_two_transfer_curves_undo_each_other_outside_0_to_1_too() -> None:
    values = np.linspace(-2, 8, 4001, dtype=np.float32)
    assert np.abs(transfer.to_linear(transfer.to_perceptual(values)) - values).max() < 1e-5
    assert transfer.to_perceptual(np.float32([0.5]))[0] == pytest.approx(0.735357, abs=1e-5)  # IEC 61966-2-1
