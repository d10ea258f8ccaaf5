"""Colours stay what they are: what every shipped model makes of a picture, reduced again, is the picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance

from tests.server.in_process import Bench, bench

WEIGHTS = Path(__file__).parents[2] / "weights"
MODELS = sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))
BLOCK = 16  # pixels
LARGEST = 160  # pixels of a picture's side
Pictures = list[NDArray[Any]]


def middle(image: Image.Image) -> NDArray[np.uint8]:
    photo = np.asarray(image.convert("RGB"))
    top, left = (max(0, side - LARGEST) // 2 for side in photo.shape[:2])
    return np.ascontiguousarray(photo[top : top + LARGEST, left : left + LARGEST])


def benchmark(shared: Path, name: str, count: int) -> Pictures:
    files = sorted((shared / "bench" / name).rglob("*.png"))
    return [middle(Image.open(file)) for file in files[:: max(1, len(files) // count)][:count]]


def large_photos(shared: Path) -> Pictures:
    """Take some photos, reduced to what a camera's pixels never are: sharp and without noise."""
    found = []
    for file in sorted((shared / "photos").glob("*.jpg"))[::60]:
        image = Image.open(file)
        found.append(middle(image.resize((image.width // 3, image.height // 3), Image.Resampling.BICUBIC)))
    return found


def as_jpeg(photo: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def noisy(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).normal(0, 20, photo.shape)
    return np.clip(np.rint(photo + noise), 0, 255).astype(np.uint8)


def saturated(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(ImageEnhance.Color(Image.fromarray(photo)).enhance(4))


def text() -> NDArray[np.uint8]:
    image = Image.new("RGB", (LARGEST, LARGEST), "white")
    for top in range(0, LARGEST, 12):
        ImageDraw.Draw(image).text((2, top), "The quick brown fox jumps over 0123456789", fill="black")
    return np.asarray(image)


def sixteen_bits(photo: NDArray[np.uint8]) -> NDArray[np.uint16]:
    between = np.random.default_rng(0).integers(-128, 129, photo.shape)
    return np.clip(photo.astype(np.int64) * 257 + between, 0, 65535).astype(np.uint16)


CLEAN: dict[str, Callable[[Path], Pictures]] = {
    "Set14": lambda shared: benchmark(shared, "Set14", 6),
    "B100": lambda shared: benchmark(shared, "B100", 8),
    "photos": large_photos,
    "16 bits": lambda shared: [sixteen_bits(photo) for photo in benchmark(shared, "B100", 3)],
}
OTHERS: dict[str, Callable[[Path], Pictures]] = {
    "JPEG 30": lambda shared: [as_jpeg(photo, 30) for photo in benchmark(shared, "B100", 4)],
    "JPEG 75": lambda shared: [as_jpeg(photo, 75) for photo in benchmark(shared, "B100", 4)],
    "noise": lambda shared: [noisy(photo) for photo in benchmark(shared, "B100", 4)],
    "saturated": lambda shared: [saturated(photo) for photo in benchmark(shared, "B100", 4)],
    "pure colours": lambda _: [np.full((64, 64, 3), each, np.uint8) for each in ((255, 0, 0), (0, 0, 255))],
    "text": lambda _: [text()],
}


@pytest.fixture(scope="module")
def around() -> Iterator[Bench]:
    with bench(WEIGHTS) as ready:
        yield ready


def reduced(enlarged: NDArray[Any], white: int) -> NDArray[np.float64]:
    """Reduce (2H, 2W, 3) by Pillow's BICUBIC, in float; clipped, as samples would be; in 1/255."""
    height, width = (side // 2 for side in enlarged.shape[:2])
    planes = [
        np.asarray(Image.fromarray(plane.astype(np.float32)).resize((width, height), Image.Resampling.BICUBIC))
        for plane in np.moveaxis(enlarged, 2, 0)
    ]
    return np.clip(np.stack(planes, axis=2).astype(float), 0, white) * (255 / white)


def block_means(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = (side // BLOCK for side in picture.shape[:2])
    whole = picture[: rows * BLOCK, : columns * BLOCK]
    return np.asarray(whole.reshape(rows, BLOCK, columns, BLOCK, 3).mean(axis=(1, 3)))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", [*CLEAN, *OTHERS])
def test_what_a_shipped_model_makes_of_a_picture_reduced_again_is_the_picture(
    around: Bench, shared: Path, kind: str, model: str
) -> None:
    pictures = (CLEAN | OTHERS)[kind](shared)
    assert pictures
    pixels, blocks = [], []
    for picture in pictures:
        white = 255 if picture.dtype == np.uint8 else 65535
        again = reduced(around.enlarge(picture, "RGB", "u8" if white == 255 else "u16", model=model), white)
        wanted = picture.astype(float) * (255 / white)
        pixels.append(np.abs(again - wanted).mean(axis=(0, 1)))
        blocks.append(np.abs(block_means(again) - block_means(wanted)).reshape(-1))
    of_blocks = np.concatenate(blocks)
    share = (of_blocks <= 2.0).mean()
    print(f"{model}, {kind}: pixels {np.mean(pixels, axis=0)}, blocks {of_blocks.mean():.3f}, within 2/255 {share:.4f}")
    if model.endswith("-faithful") and kind in CLEAN:
        assert np.mean(pixels, axis=0).max() <= 1.0
    assert of_blocks.mean() <= 1.0
    assert share >= 0.99
