"""Cutting: every pixel in exactly one tile, and the mirror."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from server.pipeline.tiling import GRAIN, LOWEST_BAND, plan_bands, plan_tiles
from server.pixels.mirror import mirror, mirrored_span

SIDES = st.integers(1, 400)


@given(SIDES, SIDES, st.sampled_from([64, 128, 256]), st.integers(1, 200_000))
def test_every_pixel_belongs_to_exactly_one_tile(width: int, height: int, tile: int, band_pixels: int) -> None:
    hits = np.zeros((height, width), int)
    for band in plan_bands(width, height, tile, band_pixels):
        for piece in plan_tiles(band, tile):
            region = piece.region
            hits[region.y : region.bottom, region.x : region.right] += 1
            assert region.width <= piece.width <= tile
            assert region.height <= piece.height <= tile
            assert piece.width % GRAIN == 0
            assert piece.height % GRAIN == 0
    assert (hits == 1).all()


@given(SIDES, SIDES, st.integers(1, 200_000))
def test_bands_have_one_height_after_the_first_two_that_cells_of_the_colour_check_fit_into(
    width: int, height: int, pixels: int
) -> None:
    bands = plan_bands(width, height, 64, pixels)
    assert len({band.height for band in bands[2:-1]}) <= 1
    assert all(band.height % GRAIN == 0 for band in bands[:-1])


@given(SIDES, SIDES, st.integers(1, 200_000))
def test_the_two_bands_that_a_client_waits_for_are_half_as_high(width: int, height: int, pixels: int) -> None:
    bands = plan_bands(width, height, 64, pixels)
    assert max(band.height for band in bands[:2]) <= max(LOWEST_BAND, pixels / 2 / width)


@given(st.integers(-500, 500), st.integers(1, 300), st.integers(1, 40))
def test_mirror_is_the_endless_symmetric_extension(start: int, count: int, length: int) -> None:
    line = list(range(length))
    around = (line + line[::-1]) * (2 * (1000 // length) + 2)
    origin = (1000 // (2 * length) + 1) * 2 * length
    stop = min(start + count, 500)
    expected = around[origin + start : origin + stop]
    assert mirror(start, stop, length) == expected
    if expected:
        assert mirrored_span(start, stop, length) == (min(expected), max(expected) + 1)
