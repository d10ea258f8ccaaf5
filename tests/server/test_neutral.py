"""Grey comes out grey, whatever a generator does to its three channels; colours stay what they are."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from server.pixels import neutral
from tests.server.in_process import SMALL_TILES, UNTILED, Bench, bench, photo_like, save_compact

LIMIT = {"u8": 0, "u16": 1, "f16": 0, "f32": 1e-6}
WHITE = {"u8": (255, np.uint8), "u16": (65535, np.uint16), "f16": (1, np.float16), "f32": (1, np.float32)}


@pytest.fixture(scope="module")
def tinting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A generator of random parameters, which tints everything."""
    folder = tmp_path_factory.mktemp("weights")
    save_compact(folder, "compact-faithful", gain=3)
    with bench(folder) as ready:
        yield ready


def dithered(height: int, width: int) -> NDArray[np.float32]:
    dots = np.random.default_rng(3).integers(0, 2, (height, width, 1)).astype(np.float32)
    return dots.repeat(3, axis=2)


def as_depth(picture: NDArray[np.float32], depth: str) -> NDArray[np.generic]:
    white, dtype = WHITE[depth]
    return (np.rint(picture * white) if depth.startswith("u") else picture).astype(dtype)


@pytest.mark.parametrize("transfer", ["perceptual", "linear"])
@pytest.mark.parametrize("depth", ["u8", "u16", "f16", "f32"])
def test_a_grey_picture_in_colour_comes_out_as_the_same_picture_in_grey(
    tinting: Bench, depth: str, transfer: str
) -> None:
    picture = as_depth(dithered(70, 90), depth)
    result = tinting.enlarge(picture, "RGB", depth, transfer, plan=SMALL_TILES)
    expected = tinting.enlarge(picture[:, :, :1].copy(), "GRAY", depth, transfer, plan=SMALL_TILES)
    assert np.abs(result.astype(float) - expected).max() <= LIMIT[depth]


@pytest.mark.parametrize("layout", ["RGBA", "BGRA"])
def test_grey_beside_colour_is_grey_a_few_pixels_from_it_and_colour_is_untouched(tinting: Bench, layout: str) -> None:
    picture = dithered(80, 120)
    picture[:, 60:] = photo_like(80, 60)
    opaque = np.concatenate([picture, np.ones((80, 120, 1), np.float32)], axis=2)
    result = tinting.enlarge(opaque, layout, "f32", plan=SMALL_TILES)[:, :, :3]
    far = result[:, : 2 * (60 - neutral.REACH)]
    assert (far.max(axis=2) - far.min(axis=2)).max() <= 1e-6
    assert (result[:, 130:].max(axis=2) - result[:, 130:].min(axis=2)).mean() > 0.05
    whole = tinting.enlarge(opaque, layout, "f32", plan=UNTILED)[:, :, :3]
    assert np.abs(result - whole).max() <= 1e-5


def test_colours_without_a_neutral_pixel_are_not_touched() -> None:
    before = np.random.default_rng(0).random((3, 20, 30), dtype=np.float32)
    after = np.random.default_rng(1).random((3, 40, 60), dtype=np.float32)
    kept = after.copy()
    neutral.keep(before, 0, after)
    assert np.array_equal(after, kept)


def test_from_grey_to_colour_it_goes_step_by_step() -> None:
    before = np.full((3, 16, 40), 0.5, np.float32)
    before[0, :, 20:] = 0.9
    after = np.zeros((3, 32, 80), np.float32)
    after[0] = 0.3
    neutral.keep(before, 0, after)
    tint = (after[0] - after[1])[16]
    assert tint[: 2 * 16].max() == 0
    assert (np.diff(tint) >= 0).all()
    assert np.allclose(tint[2 * 16 : 40 : 2], [0, 0.1, 0.2, 0.3], atol=1e-6)
    assert (tint[40:] == np.float32(0.3)).all()
