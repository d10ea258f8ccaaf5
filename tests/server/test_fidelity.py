"""Colours stay what they are: what every shipped model makes of a photo, reduced again, is the photo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.server.in_process import bench

WEIGHTS = Path(__file__).parents[2] / "weights"
PHOTOS = Path(__file__).parents[3] / "shared" / "bench" / "Set14"
MODELS = sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))
BLOCK = 16  # pixels
LARGEST = 160  # pixels of a photo's side


def photos() -> list[NDArray[np.uint8]]:
    """Read the middle of a few photos."""
    found = []
    for file in sorted(PHOTOS.rglob("*.png"))[:6]:
        photo = np.asarray(Image.open(file).convert("RGB"))
        top, left = (max(0, side - LARGEST) // 2 for side in photo.shape[:2])
        found.append(np.ascontiguousarray(photo[top : top + LARGEST, left : left + LARGEST]))
    if not found:
        pytest.skip(f"there are no photos in {PHOTOS}")
    return found


def reduced(enlarged: NDArray[Any]) -> NDArray[np.float64]:
    height, width = (side // 2 for side in enlarged.shape[:2])
    return np.asarray(Image.fromarray(enlarged).resize((width, height), Image.Resampling.BICUBIC)).astype(float)


def block_means(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = (side // BLOCK for side in picture.shape[:2])
    whole = picture[: rows * BLOCK, : columns * BLOCK]
    return np.asarray(whole.reshape(rows, BLOCK, columns, BLOCK, 3).mean(axis=(1, 3)))


@pytest.mark.parametrize("model", MODELS)
def test_what_a_shipped_model_makes_of_photos_reduced_again_is_the_photos(model: str) -> None:
    pixels, blocks = [], []
    with bench(WEIGHTS) as around:
        for photo in photos():
            again = reduced(around.enlarge(photo, "RGB", "u8", model=model))
            pixels.append(np.abs(again - photo).mean(axis=(0, 1)))
            blocks.append(np.abs(block_means(again) - block_means(photo.astype(float))).reshape(-1))
    of_blocks = np.concatenate(blocks)
    share = (of_blocks <= 2.0).mean()
    print(f"{model}: pixels {np.mean(pixels, axis=0)}, blocks {of_blocks.mean():.3f}, within 2/255 {share:.4f}")
    if model.endswith("-faithful"):
        assert np.mean(pixels, axis=0).max() <= 1.0
    assert of_blocks.mean() <= 1.0
    assert share >= 0.99
