"""Thin pictures: what they cost is in proportion to their pixels, and they come out as the mirrored picture would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import weights
from server.client.protocol import PixelFormat, Size
from server.pipeline.model_key import ModelKey
from server.pipeline.tiling import thin_periods
from server.pipeline.upscale import BandUpscaler, Picture
from tests.server.in_process import Bench, bench, save_compact

HALO = 6  # of the bench's generator


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("weights")
    save_compact(folder, "compact-faithful", gain=0.05)  # whose colours hardly drift
    with bench(folder) as ready:
        yield ready


@pytest.mark.parametrize(("width", "height"), [(1, 1500), (2, 700), (3, 513), (1500, 1), (2100, 2), (513, 3)])
def test_a_thin_picture_comes_out_as_the_endlessly_mirrored_one(small: Bench, width: int, height: int) -> None:
    picture = np.random.default_rng(5).random((height, width, 1), dtype=np.float32)
    result = small.enlarge(picture, "GRAY", "f32")[:, :, 0]
    framed = np.pad(picture[:, :, 0], HALO, mode="symmetric")
    generator = small.store.generator(small.key())
    with torch.inference_mode():
        whole = weights.enlarge(generator, torch.from_numpy(framed)[None, None].repeat(1, 3, 1, 1))[0].mean(dim=0)
    expected = np.clip(whole[2 * HALO : -2 * HALO, 2 * HALO : -2 * HALO].numpy(), 0, 1)
    assert result.shape == expected.shape
    assert np.abs(result - expected).mean() <= 0.002  # low frequencies are corrected afterwards
    assert np.median(np.abs(result - expected)) <= 1e-5


@pytest.mark.parametrize(("width", "height"), [(1, 30000), (60000, 1), (2, 5000), (3, 9000)])
def test_what_is_computed_is_a_few_times_the_picture(small: Bench, width: int, height: int) -> None:
    computed = 0
    picture = Picture(
        Size(width, height), PixelFormat("GRAY", "u8", "perceptual"),
        lambda first, last: np.zeros((last - first, width, 1), np.uint8),
    )  # fmt: skip
    with small.queue.open() as job:
        submit = job.submit

        def counted(key: ModelKey, tiles: list[np.ndarray]) -> list:
            nonlocal computed
            computed += sum(tile[0].size for tile in tiles)
            return submit(key, tiles)

        job.submit = counted  # type: ignore[method-assign]
        rows = sum(len(band) for band in BandUpscaler(picture, job, small.key()).bands())
    assert rows == 2 * height
    assert computed <= 3 * width * height


@pytest.mark.parametrize("size", [(16, 16), (1, 100), (100, 1), (300, 400), (40, 4000)])
def test_other_pictures_are_tiled_as_always(size: tuple[int, int]) -> None:
    assert thin_periods(*size, halo=16) == (0, 0)


@pytest.mark.parametrize("architecture", ["espcn", "rrdb", "dilated_rrdb", "nafnet"])
def test_every_architecture_goes_round_a_period_of_two_pixels(tmp_path: Path, architecture: str) -> None:
    """Also those whose convolutions reach further than the picture is wide, or that see pixels in pairs."""
    torch.manual_seed(0)
    config = {"espcn": {}, "nafnet": {"features": 8, "blocks": 2}}.get(
        architecture, {"features": 8, "growth": 4, "blocks": 1}
    )
    generator = weights.build_generator(architecture, config)
    told = weights.WeightsMetadata(architecture, {}, weights.SCALE, halo=32, title=architecture)
    weights.save_generator(generator, told, tmp_path / "it.safetensors")
    column = np.random.default_rng(6).random((600, 1, 1), dtype=np.float32)
    with bench(tmp_path) as ready:
        result = ready.enlarge(column, "GRAY", "f32", model="it")
        wide = ready.enlarge(np.tile(column, (1, 40, 1)), "GRAY", "f32", model="it")
    assert np.median(np.abs(result[:, 0] - wide[:, 40])) <= 1e-4  # what is the same in every column
