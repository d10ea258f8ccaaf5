"""How good a generator is on pictures it never saw: reduce by 2, enlarge again, compare.

The reduction is Pillow's BICUBIC, the picture is first cut to even sizes, grey pictures are taken as RGB; the
generator runs on the whole picture at once. Bicubic enlargement is always measured beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from trainer.errors import EvaluationError
from trainer.metrics import luma_psnr
from trainer.validation import enlarge_pixels
from weights import Generator

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}

Pixels = NDArray[np.uint8]
Enlarger = Callable[[Pixels], Pixels]


@dataclass(frozen=True)
class Scores:
    """Means over a set of pictures.

    Attributes:
        name: Of the enlarger.
        psnr: Y-PSNR in decibels, two pixels cut off at every side.
        pictures: How many were measured.
    """

    name: str
    psnr: float
    pictures: int


def evaluate(enlargers: dict[str, Enlarger], folder: Path) -> list[Scores]:
    """Measure enlargers on a folder of high-resolution pictures.

    Args:
        enlargers: Name → function from (H, W, 3) to (2H, 2W, 3), uint8.
        folder: Holds the pictures; sub-folders are not looked into.

    Returns:
        One row for bicubic, then one for each enlarger in the order given.

    Raises:
        EvaluationError: The folder has no pictures, or one cannot be read.
    """
    files = picture_files(folder)
    rows: dict[str, list[float]] = {}
    for file in files:
        high_res = even_picture(file)
        low_res = reduced(high_res)
        for name, enlarger in {"bicubic": bicubic, **enlargers}.items():
            rows.setdefault(name, []).append(luma_psnr(enlarger(low_res), high_res))
    return [Scores(name, float(np.mean(values)), len(values)) for name, values in rows.items()]


def enlarger_of(generator: Generator) -> Enlarger:
    """Return the enlarger of a generator: the plain forward pass, float32, no self-ensemble."""
    return lambda low_res: np.asarray(enlarge_pixels(generator, low_res))


def bicubic(low_res: Pixels) -> Pixels:
    """Enlarge (H, W, 3) uint8 to (2H, 2W, 3) with Pillow's BICUBIC."""
    height, width = low_res.shape[:2]
    return np.asarray(Image.fromarray(low_res).resize((2 * width, 2 * height), Image.Resampling.BICUBIC))


def reduced(high_res: Pixels) -> Pixels:
    """Reduce (2H, 2W, 3) uint8 to (H, W, 3) with Pillow's BICUBIC."""
    height, width = high_res.shape[:2]
    return np.asarray(Image.fromarray(high_res).resize((width // 2, height // 2), Image.Resampling.BICUBIC))


def picture_files(folder: Path) -> list[Path]:
    """List the pictures of a folder by name.

    Args:
        folder: A folder.

    Returns:
        At least one path.

    Raises:
        EvaluationError: There is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder} is no folder; expected one with high-resolution pictures; check --images.")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise EvaluationError(
            f"{folder} holds no picture ({', '.join(sorted(SUFFIXES))}); expected at least one; check --images."
        )
    return files


def even_picture(file: Path) -> Pixels:
    """Decode a picture and cut it to even sizes.

    Args:
        file: A picture of any mode that Pillow reads.

    Returns:
        (2H, 2W, 3) uint8, RGB.

    Raises:
        EvaluationError: The file cannot be read, or is smaller than 8 pixels.
    """
    try:
        with Image.open(file) as image:
            picture: Pixels = np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise EvaluationError(f"{file} cannot be read ({error}); expected a picture; remove or replace it.") from error
    height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    if min(height, width) < 8:
        raise EvaluationError(f"{file} has {width}×{height} pixels; expected at least 8×8; remove or replace it.")
    return picture[:height, :width]


def table(rows: Sequence[Scores]) -> str:
    """Return the rows as aligned text."""
    width = max(len(row.name) for row in rows)
    lines = [f"{'':{width}}  Y-PSNR dB"] + [f"{row.name:{width}}  {row.psnr:9.3f}" for row in rows]
    return "\n".join(lines)
