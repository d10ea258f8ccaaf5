"""Results of any size: passes of the generator, each fed by the one before, and a reduction."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import requests

from server import client
from server.client.protocol import PixelFormat, Size
from server.client.sizing import can_become, computed_pixels, passes
from server.pipeline.composition import enlarged_bands
from server.pipeline.upscale import Picture
from server.pixels.layouts import Planes
from server.pixels.reduce import Reduction
from tests.hosts.model_server import ModelServer
from tests.server.in_process import SMALL_TILES, UNTILED, Bench, bench, photo_like, save_compact

SIZES = [(1, 1), (1, 37), (3, 5), (63, 65), (130, 201), (2500, 1)]
FACTORS = [1, 1.5, 2.5, 3, 4, 5]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("weights")
    save_compact(folder, "compact-faithful", gain=0.3)
    with bench(folder) as ready:
        yield ready


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_tiled_equals_untiled(small: Bench, width: int, height: int, factor: float) -> None:
    random = np.random.default_rng(1)
    picture = random.random((height, width, 4), dtype=np.float32)
    picture[..., 3] *= random.random((height, width)) > 0.3
    size = Size(width, height).enlarged(factor)
    tiled = small.enlarge(picture, "RGBA", "f32", plan=SMALL_TILES, result=size)
    assert tiled.shape == (size.height, size.width, 4)
    assert np.abs(tiled - small.enlarge(picture, "RGBA", "f32", plan=UNTILED, result=size)).max() <= 1e-5


@pytest.mark.parametrize("factor", [1.5, 3, 5])
def test_opaque_stays_opaque_grey_grey_bright_bright_and_hidden_colours_hidden(small: Bench, factor: float) -> None:
    picture = np.full((40, 60, 4), [0.25, 0.25, 0.25, 1], np.float32)
    picture[:, 30:] = [0.7, 0.1, 0.3, 0]
    picture[10:30, 5:15, :3] = 4
    result = small.enlarge(picture, "RGBA", "f32", result=Size(60, 40).enlarged(factor))
    height, width = result.shape[:2]
    assert (result[:, : width // 2 - 10, 3] == 1).all()
    assert (result[:, width // 2 + 10 :, 3] == 0).all()
    assert result[:, -5:, :3] == pytest.approx(np.broadcast_to(picture[0, -1, :3], (height, 5, 3)), abs=1e-5)
    assert result[height // 2, width // 6, :3] == pytest.approx(4, rel=0.02)
    assert np.ptp(result[:, : width // 3, :3], axis=2).max() == 0


def test_a_reduction_is_antialiased_in_linear_light_and_its_centre_stays() -> None:
    stripes = np.tile(np.array([0.0, 1.0], np.float32), (40, 30))
    reduced = Reduction(Size(60, 40), Size(30, 20)).reduce(Planes(stripes[None], None), 0, 20, 0).colour
    assert reduced[0, 10, 5:25] == pytest.approx(0.7354, abs=0.01)  # half of the light, as displayed
    ramp = np.broadcast_to(np.linspace(0.4, 0.6, 90, dtype=np.float32), (1, 90, 90))
    assert Reduction(Size(90, 90), Size(60, 61)).reduce(Planes(ramp, None), 0, 61, 0).colour.mean() == pytest.approx(
        0.5, abs=1e-3
    )


def test_memory_is_bounded_by_bands(small: Bench) -> None:
    """A second pass and a reduction read a few rows at a time, and no pass runs further ahead than it must."""
    largest = furthest = 0

    def read(first: int, last: int) -> np.ndarray:
        nonlocal largest, furthest
        largest, furthest = max(largest, last - first), max(furthest, last)
        return np.zeros((last - first, 70, 3), np.uint8)

    picture, key = Picture(Size(70, 1500), PixelFormat("RGB", "u8"), read), small.key()
    with small.queue.open() as job:
        job.plan = lambda key: SMALL_TILES  # type: ignore[method-assign]
        bands = enlarged_bands(picture, Size(210, 4500), job, key, key)
        next(bands)
        assert furthest < 1200  # the reduction reads a megapixel at once
        assert max(len(band) for band in bands) * 210 <= 1 << 20
    assert largest <= 64 + 2 * 6 + 16


def test_sizes_are_told_and_checked_before_anything_is_computed(model_server: ModelServer) -> None:
    pixels = np.round(photo_like(30, 40) * 255).astype(np.uint8)
    runtime = client.Runtime(model_server.url, model_server.token)
    rgb, size = client.PixelFormat("RGB", "u8"), client.Size(40, 30)
    for wanted in (client.Size(40, 30), client.Size(120, 90), client.Size(100, 75), client.Size(99, 75)):
        answer = client.upscale(runtime, pixels, size, rgb, client.Options("fixed", result=wanted))
        assert len(answer) == rgb.byte_count(wanted)
    for wanted in (client.Size(39, 30), client.Size(321, 240), client.Size(120, 60)):
        with pytest.raises(client.Refused, match="of the same shape"):
            client.upscale(runtime, pixels, size, rgb, client.Options("fixed", result=wanted))
    refused = requests.post(
        f"{model_server.url}/v1/upscale?width=16000&height=15000&layout=GRAY&depth=u8&out_width=96000&out_height=90000",
        headers={"Authorization": f"Bearer {model_server.token}"}, data=b"", timeout=10,
    )  # fmt: skip
    assert refused.status_code == 413
    assert "The result has 96000×90000" in refused.json()["message"]


def test_a_target_keeps_the_shape() -> None:
    size = client.Size(4000, 3000)
    sizes = {("scale", 2.5): (10000, 7500), ("width", 6000): (6000, 4500), ("height", 6000): (8000, 6000),
             ("long_side", 9000): (9000, 6750), ("megapixels", 48): (8000, 6000)}  # fmt: skip
    for (kind, value), wanted in sizes.items():
        result = client.Target(kind, value).size_for(size)
        assert (result.width, result.height) == wanted
        assert can_become(size, result)
    with pytest.raises(client.WrongSize, match=r"×0\.5 of 4000×3000"):
        client.Target("width", 2000).size_for(size)
    assert [passes(size, size.enlarged(factor)) for factor in (1, 2, 2.5, 4, 5, 8)] == [1, 1, 2, 2, 3, 3]
    assert computed_pixels(size, size.enlarged(3)) == 5 * 12_000_000
    parts = (client.Region(x, x + 1, width, width + 3) for x in range(9) for width in range(1, 12))
    assert all(can_become(part.size, part.scaled(2.37, 2.37).size) for part in parts)
