"""The automatic value of `cleanup`: what it finds in a picture's pixels, and that everybody gets the same one."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests
from numpy.typing import NDArray
from PIL import Image

from server import client
from server.client.protocol import PixelFormat, Runtime, Size
from server.client.sampling import GRID, MOST_ALONG, SIDE, sampled_regions
from server.pixels import transfer
from server.pixels.cleanup import estimate_cleanup
from tests.drawings import KINDS
from tests.hosts.model_server import FAMILY, PAIR, ModelServer, serving
from tests.server.in_process import photo_like

RGB = PixelFormat("RGB", "u8")
DRAWINGS = 10  # of each kind


def cleanup_of(samples: NDArray[Any], pixel_format: PixelFormat = RGB) -> float:
    height, width = samples.shape[:2]
    return estimate_cleanup(lambda first, last: samples[first:last], Size(width, height), pixel_format)


def photo(seed: int = 0, finest: int = 4) -> NDArray[np.uint8]:
    """Make a picture that has nothing finer than `finest` pixels, 420×500; `photo_like` alone looks noisy."""
    small = np.rint(photo_like(420 // finest, 500 // finest, seed) * 255).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((500, 420), Image.Resampling.BICUBIC))


def compressed(pixels: NDArray[np.uint8], quality: int, subsampling: int = 2) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


def noisy(pixels: NDArray[np.uint8], deviation: float, seed: int = 0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, deviation, pixels.shape)
    return np.rint(pixels + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_drawing_is_neither_noisy_nor_compressed(kind: str) -> None:
    assert [cleanup_of(KINDS[kind](seed)) for seed in range(DRAWINGS)] == [0.0] * DRAWINGS


def test_a_clean_photo_is_left_as_it_is() -> None:
    assert [cleanup_of(photo(seed)) for seed in range(4)] == [0.0] * 4


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize(
    ("quality", "lowest", "highest"), [(97, 0, 0), (90, 0.5, 0.75), (75, 0.75, 1), (60, 1, 1), (40, 1, 1)]
)
def test_the_more_compressed_the_more_cleanup_wherever_the_grid_begins(
    quality: int, lowest: float, highest: float, subsampling: int
) -> None:
    pixels = compressed(photo(), quality, subsampling)
    found = {cleanup_of(pixels[top:, left:]) for top, left in ((0, 0), (3, 5), (7, 1))}
    assert len(found) == 1
    assert lowest <= found.pop() <= highest


def test_the_stronger_of_two_compressions_counts_although_the_grid_was_moved_between_them() -> None:
    assert cleanup_of(compressed(compressed(photo(), 40)[5:, 3:], 90)) == 1


def test_blocks_are_found_in_a_picture_resized_after_its_compression() -> None:
    image = Image.fromarray(compressed(photo(), 40))
    resized = image.resize((round(image.width * 1.5), round(image.height * 1.5)), Image.Resampling.BICUBIC)
    assert cleanup_of(np.asarray(resized)) >= 0.5


@pytest.mark.parametrize(("deviation", "lowest"), [(3, 0.5), (6, 0.75), (10, 1), (20, 1)])
def test_the_noisier_the_more_cleanup(deviation: float, lowest: float) -> None:
    assert cleanup_of(noisy(photo(finest=10), deviation)) >= lowest


@pytest.mark.parametrize("layout", ["RGB", "RGBA", "BGRA"])
@pytest.mark.parametrize("depth", ["u8", "u16", "f16", "f32"])
def test_layout_and_depth_do_not_change_it(layout: str, depth: str) -> None:
    pixels = compressed(photo(), 90)
    colour = pixels[..., ::-1] if layout == "BGRA" else pixels
    alpha = [np.full((*pixels.shape[:2], 1), 255, np.uint8)] if len(layout) == 4 else []
    samples = np.concatenate([colour, *alpha], axis=2).astype(np.float64) / 255
    white = {"u8": 255, "u16": 65535}.get(depth)
    values = samples if white is None else np.rint(samples * white)
    stored = values.astype({"u8": "u1", "u16": "<u2", "f16": "<f2", "f32": "<f4"}[depth])
    assert cleanup_of(stored, PixelFormat(layout, depth)) == cleanup_of(pixels) == 0.75


def test_linear_light_is_judged_as_it_is_displayed() -> None:
    pixels = compressed(photo(), 90)
    linear = transfer.to_linear(pixels.astype(np.float32) / 255)
    assert cleanup_of(linear, PixelFormat("RGB", "f32", "linear")) == 0.75


def test_what_is_hidden_under_transparency_is_not_judged() -> None:
    random = np.random.default_rng(0).integers(0, 256, (420, 500, 4), dtype=np.uint8)
    random[..., 3] = 0
    assert cleanup_of(random, PixelFormat("RGBA", "u8")) == 0


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (64, 64), (65, 23)])
def test_small_pictures_have_a_value_too(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    assert 0 <= cleanup_of(pixels) <= 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_numbers_do_no_harm(bad: float) -> None:
    pixels = photo_like(200, 200)
    pixels[::7, ::5] = bad
    assert 0 <= cleanup_of(pixels, PixelFormat("RGB", "f32")) <= 1


@pytest.mark.parametrize("size", [Size(1, 1), Size(95, 700), Size(500, 420), Size(9000, 6000)])
def test_the_squares_lie_inside_on_one_grid_and_apart(size: Size) -> None:
    regions = sampled_regions(size)
    assert len(regions) <= MOST_ALONG**2
    assert len({(region.width, region.height) for region in regions}) == 1
    for region in regions:
        assert region.x % GRID == region.y % GRID == 0
        assert region.right <= size.width
        assert region.bottom <= size.height
    for axis in ("x", "y"):
        places = sorted({getattr(region, axis) for region in regions})
        assert all(after - before >= SIDE for before, after in itertools.pairwise(places))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with serving(tmp_path_factory.mktemp("server")) as it:
        yield it


def upscaled(server: ModelServer, pixels: NDArray[np.uint8], **more: Any) -> tuple[bytes, client.Chosen]:
    chosen: list[client.Chosen] = []
    size = Size(pixels.shape[1], pixels.shape[0])
    result = client.upscale(
        Runtime(server.url, server.token), np.ascontiguousarray(pixels), size, RGB,
        client.Options(**{"model": FAMILY, **more}), on_chosen=chosen.append,
    )  # fmt: skip
    return bytes(result), chosen[0]


def estimated(server: ModelServer, pixels: NDArray[np.uint8], model: str = FAMILY) -> float | None:
    def read(region: client.Region) -> bytes:
        return pixels[region.y : region.bottom, region.x : region.right].tobytes()

    size = Size(pixels.shape[1], pixels.shape[0])
    samples = client.take_samples(read, size, RGB)
    return client.estimate_cleanup(Runtime(server.url, server.token), samples, model=model)


@pytest.mark.parametrize(("quality", "expected"), [(100, 0.0), (90, 0.75), (40, 1.0)])
def test_a_whole_picture_its_squares_and_its_file_get_the_same_value(
    server: ModelServer, quality: int, expected: float
) -> None:
    pixels = compressed(photo(), quality, 0)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    answer = requests.post(
        f"{server.url}/v1/upscale/file", params={"model": FAMILY}, data=file.getvalue(), timeout=60,
        headers={"Authorization": f"Bearer {server.token}"},
    )  # fmt: skip
    by_itself, chosen = upscaled(server, pixels)
    assert chosen.cleanup == estimated(server, pixels) == float(answer.headers["X-Cleanup"]) == expected
    assert by_itself == upscaled(server, pixels, cleanup=expected)[0]


def test_cleanup_changes_the_picture_and_comes_back_rounded(server: ModelServer) -> None:
    kept, cleaned = (upscaled(server, photo()[:60, :60], cleanup=cleanup) for cleanup in (0, 0.93))
    assert kept[0] != cleaned[0]
    assert (kept[1].cleanup, cleaned[1].cleanup) == (0.0, 1.0)


def test_status_tells_which_cleanup_is_loaded(server: ModelServer) -> None:
    upscaled(server, photo()[:60, :60], detail=0.5, cleanup=0.25)
    loaded = server.get("/v1/status")["devices"][0]["loaded"]
    assert (FAMILY, 0.5, 0.25) in {(each["model"], each["detail"], each["cleanup"]) for each in loaded}


def test_a_model_without_cleanup_has_no_value_and_refuses_one(server: ModelServer) -> None:
    pixels = compressed(photo(), 40)
    assert estimated(server, pixels, PAIR) is None
    assert upscaled(server, pixels[:60, :60], model=PAIR)[1].cleanup is None
    with pytest.raises(client.Refused, match="no usable fixed-clean file") as refused:
        upscaled(server, pixels[:60, :60], model=PAIR, cleanup=0.5)
    assert refused.value.name == "wrong_parameter"


@pytest.mark.parametrize("cleanup", ["1.5", "-1", "nan", "much"])
def test_a_cleanup_out_of_range_is_refused(server: ModelServer, cleanup: str) -> None:
    answer = requests.post(
        f"{server.url}/v1/upscale", data=bytes(3), timeout=60, headers={"Authorization": f"Bearer {server.token}"},
        params={"width": 1, "height": 1, "layout": "RGB", "depth": "u8", "cleanup": cleanup},
    )  # fmt: skip
    assert answer.status_code == 400
    assert "cleanup is" in answer.json()["message"]


def test_samples_of_another_length_are_refused_with_what_they_should_be(server: ModelServer) -> None:
    answer = requests.post(
        f"{server.url}/v1/cleanup", data=bytes(100), timeout=60, headers={"Authorization": f"Bearer {server.token}"},
        params={"width": 500, "height": 420, "layout": "RGB", "depth": "u8"},
    )  # fmt: skip
    assert (answer.status_code, answer.json()["error"]) == (400, "wrong_length")
    assert "20 samples of 64×64 pixels need 245760" in answer.json()["message"]
