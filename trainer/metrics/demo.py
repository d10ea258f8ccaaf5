"""Strips to look at: original | bicubic | one column for each generator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from trainer.errors import ConfigError
from trainer.metrics.pictures import Enlarger, Pixels, bicubic, even_picture, picture_files, reduced

_CAPTION = 14  # pixels


def write_strips(enlargers: Mapping[str, Enlarger], images: Path, out: Path, side: int = 256) -> list[Path]:
    """Write one strip for each picture, cut from its most detailed part.

    Args:
        enlargers: Name → function from (H, W, 3) to (2H, 2W, 3), uint8.
        images: Folder of high-resolution pictures.
        out: Folder for the strips; it is created.
        side: Of the cut-out, high-resolution pixels.

    Returns:
        The files written.

    Raises:
        ConfigError: The side is below 16.
    """
    if side < 16:
        raise ConfigError(f"--side is {side}; expected at least 16 pixels; choose a larger one")
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for file in picture_files(images):
        high_res = even_picture(file)
        low_res = reduced(high_res)
        columns = {"original": high_res, "bicubic": bicubic(low_res)}
        columns |= {name: enlarger(low_res) for name, enlarger in enlargers.items()}
        top, left = most_detailed(high_res, side)
        inner = (slice(top, top + side), slice(left, left + side))
        written.append(out / f"{file.stem}-demo.png")
        _strip({name: picture[inner] for name, picture in columns.items()}).save(written[-1])
    return written


def most_detailed(picture: Pixels, side: int) -> tuple[int, int]:
    """Find the part with the largest steps from pixel to pixel.

    Args:
        picture: (H, W, 3) uint8.
        side: Of the part; a picture that is smaller is taken from its corner.

    Returns:
        (row, column) of the part's first pixel.
    """
    grey = np.asarray(Image.fromarray(picture).convert("L")).astype(np.float64)
    energy = np.zeros_like(grey)
    energy[:, 1:] += np.abs(np.diff(grey, axis=1))
    energy[1:] += np.abs(np.diff(grey, axis=0))
    sums = np.pad(energy, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    height, width = (min(side, length) for length in grey.shape)
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(row), int(column)


def _strip(columns: Mapping[str, Pixels]) -> Image.Image:
    height, width = next(iter(columns.values())).shape[:2]
    strip = Image.new("RGB", (width * len(columns), height + _CAPTION), "white")
    draw = ImageDraw.Draw(strip)
    for number, (name, pixels) in enumerate(columns.items()):
        strip.paste(Image.fromarray(np.ascontiguousarray(pixels)), (number * width, _CAPTION))
        draw.text((number * width + 2, 1), name, fill="black")
    return strip
