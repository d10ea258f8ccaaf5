"""One picture through the whole inside: no seams, no lost levels, no fringe, no shifted colours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from server.client.protocol import LAYOUTS, PixelFormat, Size
from server.device.torch_engine import TorchEngine
from server.pipeline.model_key import ModelKey
from server.pipeline.model_store import ModelStore
from server.pipeline.upscale import BandUpscaler, Picture
from tests.server.in_process import SMALL_TILES, UNTILED, Bench, bench, photo_like, save_compact

SIZES = [(1, 1), (1, 37), (37, 1), (3, 5), (63, 65), (64, 64), (130, 201), (257, 129)]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("weights")
    save_compact(folder, "compact-faithful", gain=0.3)
    save_compact(folder, "drifting", gain=0.3, bias=0.06)
    save_compact(folder, "gentle", gain=0.05)  # as calm on flat white as a trained one
    with bench(folder) as ready:
        yield ready


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_tiled_equals_untiled(small: Bench, width: int, height: int) -> None:
    picture = np.random.default_rng(1).random((height, width, 3), dtype=np.float32)
    tiled = small.enlarge(picture, "RGB", "f32", plan=SMALL_TILES)
    untiled = small.enlarge(picture, "RGB", "f32", plan=UNTILED)
    assert tiled.shape == (2 * height, 2 * width, 3)
    assert np.abs(tiled - untiled).max() <= 1e-5


def test_tiled_equals_untiled_with_alpha_hdr_nan_and_drift(small: Bench) -> None:
    random = np.random.default_rng(2)
    picture = random.random((150, 170, 4), dtype=np.float32)
    picture[..., 3] = (random.random((150, 170)) < 0.4) * random.random((150, 170))
    picture[20:60, 30:60, 3] = 0
    picture[70, 80, 0] = np.nan
    picture[64, 64, :3] = 40
    tiled = small.enlarge(picture, "RGBA", "f32", plan=SMALL_TILES, model="drifting")
    untiled = small.enlarge(picture, "RGBA", "f32", plan=UNTILED, model="drifting")
    assert np.abs(tiled - untiled).max() <= 1e-5


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_what_rgb_gives(small: Bench, layout: str) -> None:
    colour = np.round(photo_like(40, 50) * 255).astype(np.uint8)
    if layout.startswith("GRAY"):
        colour = np.repeat(colour[..., :1], 3, axis=2)
    expected = small.enlarge(colour, "RGB", "u8")
    samples = {"GRAY": [0], "GRAYA": [0], "RGB": [0, 1, 2], "RGBA": [0, 1, 2], "BGRA": [2, 1, 0]}[layout]
    given = colour[..., samples]
    if len(samples) < LAYOUTS[layout]:
        given = np.concatenate([given, np.full((40, 50, 1), 255, np.uint8)], axis=2)
    result = small.enlarge(np.ascontiguousarray(given), layout, "u8")
    if layout.startswith("GRAY"):  # grey is the mean of what the generator gives for red, green, blue
        difference = np.abs(result[..., 0] - expected.astype(np.float32).mean(axis=2))
        assert difference.mean() <= 0.5  # rounding, and the colour check works on grey instead of on each channel
        assert difference.max() <= 3
    else:
        assert np.array_equal(result[..., :3], expected[..., samples])
    if len(samples) < LAYOUTS[layout]:
        assert (result[..., -1] == 255).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_16_bit_ramp_keeps_its_levels_and_its_mean(tmp_path: Path, dtype: str) -> None:
    save_compact(tmp_path, "compact-faithful", gain=0.05)
    ramp = np.linspace(0, 65535, 1024).round().astype(np.uint16)
    picture = np.repeat(ramp[None, :, None], 16, axis=0).repeat(3, axis=2)
    with bench(tmp_path, lambda store: [TorchEngine(store, dtype=dtype)]) as ready:
        result = ready.enlarge(picture, "RGB", "u16")
        assert ready.queue.engines[0].describe()["loaded"][0]["dtype"] == dtype
    assert len(np.unique(result[0, :, 0])) > 1024
    assert abs(result.mean() - picture.mean()) < 65535 * 0.002


@pytest.mark.parametrize("transfer", ["perceptual", "linear"])
@pytest.mark.parametrize("depth", ["f16", "f32"])
def test_an_hdr_patch_of_4_comes_back_as_4(small: Bench, depth: str, transfer: str) -> None:
    picture = np.full((64, 64, 3), 0.2, np.float32)
    picture[16:48, 16:48] = 4.0
    dtype = np.float16 if depth == "f16" else np.float32
    result = small.enlarge(picture.astype(dtype), "RGB", depth, transfer, model="gentle")
    assert np.abs(result[44:84, 44:84].astype(np.float32) / 4.0 - 1).max() < 0.01
    assert result.min() >= 0


def test_a_bright_pixel_changes_nothing_beyond_the_reach_of_bicubic(small: Bench) -> None:
    picture = photo_like(60, 60)
    picture[30, 30] = 1.0
    expected = small.enlarge(picture, "RGB", "f32")
    picture[30, 30] = 40.0
    result = small.enlarge(picture, "RGB", "f32")
    far = np.ones((120, 120), bool)
    far[56:66, 56:66] = False
    assert np.array_equal(result[far], expected[far])
    assert result[60:62, 60:62].min() > 10
    assert result.min() >= 0


def test_a_pixel_that_is_not_finite_is_filled_from_its_neighbours(small: Bench) -> None:
    picture = np.full((60, 60, 3), 0.5, np.float32)
    expected = small.enlarge(picture, "RGB", "f32")
    picture[30, 30, 1] = np.nan
    picture[10, 10] = np.inf
    assert np.abs(small.enlarge(picture, "RGB", "f32") - expected).max() < 1e-5


def test_opaque_stays_exactly_opaque_and_transparent_exactly_zero(small: Bench) -> None:
    picture = np.zeros((64, 96, 4), np.float32)
    picture[:, :48] = [0.8, 0.1, 0.1, 1.0]
    result = small.enlarge(picture, "RGBA", "f32")
    assert (result[:, : 96 - 4, 3] == 1.0).all()
    assert (result[:, 96 + 4 :] == 0.0).all()


def test_colour_under_full_transparency_is_kept(small: Bench) -> None:
    picture = np.zeros((16, 16, 4), np.uint8)
    picture[..., 0] = 77
    result = small.enlarge(picture, "RGBA", "u8")
    assert (result[..., 0] == 77).all()
    assert (result[..., 3] == 0).all()


def _disc(side: int, samples_per_pixel: int = 8) -> NDArray[np.float32]:
    fine = side * samples_per_pixel
    rows, columns = np.mgrid[:fine, :fine] / fine - 0.5 + 0.5 / fine
    inside = (rows**2 + columns**2 < 0.35**2).astype(np.float32)
    return inside.reshape(side, samples_per_pixel, side, samples_per_pixel).mean(axis=(1, 3))


def fringe_beyond_bicubic(enlarge: Callable[[NDArray[np.uint8]], NDArray[np.float32]]) -> float:
    """Enlarge a disc on transparent black and compare with premultiplied bicubic, both held against the ideal disc.

    Args:
        enlarge: (48, 48, 4) in 0…255 to (96, 96, 4) in 0…1.

    Returns:
        By how much the mean error on the edge ring is larger than bicubic's, over white or over black, of 1.
    """
    low, ideal = _disc(48), _disc(96)
    red = np.array([200, 20, 30], np.float32) / 255
    picture = np.zeros((48, 48, 4), np.float32)
    picture[low > 0, :3] = red
    picture[..., 3] = low
    ours = enlarge(np.round(picture * 255).astype(np.uint8))
    assert (ours[44:52, 44:52, 3] == 1).all()
    assert (ours[:8, :8, 3] == 0).all()
    premultiplied = [Image.fromarray(low * part).resize((96, 96), Image.Resampling.BICUBIC) for part in red]
    alpha = np.clip(np.asarray(Image.fromarray(low).resize((96, 96), Image.Resampling.BICUBIC)), 0, 1)
    edge = (ideal > 0) & (ideal < 1)
    worse = []
    for ground in (0.0, 1.0):
        wanted = ideal[..., None] * red + (1 - ideal[..., None]) * ground
        bicubic = np.clip(np.dstack(premultiplied), 0, 1) + (1 - alpha[..., None]) * ground
        found = ours[..., :3] * ours[..., 3:] + (1 - ours[..., 3:]) * ground
        worse.append(float(np.abs(found - wanted)[edge].mean() - np.abs(bicubic - wanted)[edge].mean()))
    return max(worse)


def test_a_disc_on_transparent_black_gets_no_fringe(small: Bench) -> None:
    assert fringe_beyond_bicubic(lambda picture: small.enlarge(picture, "RGBA", "u8") / np.float32(255)) <= 1 / 255


def test_the_next_band_is_on_the_device_while_nobody_takes_the_last_one(tmp_path: Path) -> None:
    """Tiles go on running between two looks at the result: sending and computing overlap."""
    save_compact(tmp_path, "compact-faithful")
    runs = 0

    class Counting(TorchEngine):
        def run(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
            nonlocal runs
            time.sleep(0.05)
            runs += len(tiles)
            return super().run(key, tiles)

    picture = np.zeros((640, 128, 3), np.uint8)
    with (
        bench(tmp_path, lambda store: [Counting(store, dtype="float32")], max_batch=1) as ready,
        ready.queue.open() as job,
    ):
        job.plan = lambda key: SMALL_TILES  # type: ignore[method-assign]
        told = Picture(Size(128, 640), PixelFormat("RGB", "u8"), lambda first, last: picture[first:last])
        bands = BandUpscaler(told, job, ready.key()).bands()
        next(bands)
        before = runs
        until = time.monotonic() + 20
        while runs == before:  # nobody asks for the second band meanwhile
            assert time.monotonic() < until
            time.sleep(0.01)


def test_a_generator_that_drifts_is_brought_back_to_its_inputs_colours(small: Bench) -> None:
    picture = np.round(photo_like(160, 192, seed=3) * 255).astype(np.uint8)
    result = small.enlarge(picture, "RGB", "u8", model="drifting")
    reduced = Image.fromarray(result).resize((192, 160), Image.Resampling.BICUBIC)
    difference = np.asarray(reduced).astype(np.float32) - picture
    blocks = np.abs(difference.reshape(10, 16, 12, 16, 3).mean(axis=(1, 3)))
    assert blocks.mean() <= 1.0
    assert np.quantile(blocks, 0.99) <= 2.0


def test_reading_goes_band_by_band(tmp_path: Path) -> None:
    """The host holds a few rows, never the picture: the largest read stays near a band's height."""
    save_compact(tmp_path, "compact-faithful")
    largest = 0

    def read(first: int, last: int) -> NDArray[np.uint8]:
        nonlocal largest
        largest = max(largest, last - first)
        return np.zeros((last - first, 70, 3), np.uint8)

    store = ModelStore([tmp_path])
    with bench(tmp_path) as ready, ready.queue.open() as job:
        job.plan = lambda key: SMALL_TILES  # type: ignore[method-assign]
        picture = Picture(Size(70, 1000), PixelFormat("RGB", "u8"), read)
        rows = sum(len(band) for band in BandUpscaler(picture, job, store.resolve()).bands())
    assert rows == 2000
    assert largest <= 64 + 2 * 6 + 16


@pytest.mark.parametrize("transfer", ["perceptual", "linear"])
@pytest.mark.parametrize("layout", ["GRAY", "RGB", "RGBA"])
def test_the_largest_finite_values_stay_finite(small: Bench, layout: str, transfer: str) -> None:
    largest = np.finfo(np.float32).max
    samples = np.random.default_rng(3).choice(
        np.array([-largest, largest, 0.5, 0, 1], np.float32), (40, 30, {"GRAY": 1, "RGB": 3, "RGBA": 4}[layout])
    )
    samples[:6, :6] = largest
    if layout == "RGBA":
        samples[:, :, 3] = np.random.default_rng(4).choice(np.array([0, 1, 0.5], np.float32), (40, 30))
        samples[:6, :6, 3] = 1
    result = small.enlarge(samples, layout, "f32", transfer)
    assert np.isfinite(result).all()
    assert result[:4, :4, 0] == pytest.approx(largest, rel=1e-4)


def test_the_same_pixels_give_the_same_colours_under_alpha_0_however_they_are_cut(small: Bench) -> None:
    """Alpha of 1 beside 255 becomes 0 where bicubic undershoots; no pixel of alpha 0 need be anywhere near."""
    random = np.random.default_rng(5)
    samples = random.integers(0, 256, (400, 60, 4), np.uint8)
    samples[:, :, 3] = random.choice([1, 255], (400, 60))
    samples[390:, :, 3] = 0
    whole = small.enlarge(samples, "RGBA", "u8", plan=UNTILED)
    cut = small.enlarge(samples, "RGBA", "u8", plan=SMALL_TILES)
    assert np.array_equal(whole[:, :, 3], cut[:, :, 3])
    hidden = whole[:, :, 3] == 0
    assert hidden[:700].sum() > 1000
    assert np.array_equal(whole[hidden], cut[hidden])
    nearest = samples.repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(whole[hidden][:, :3], nearest[hidden][:, :3])
