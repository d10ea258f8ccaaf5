"""Pictures to measure on, and what enlarges them: generators, and bicubic to compare with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from trainer.errors import EvaluationError
from weights import Generator, enlarge

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}

Pixels = NDArray[np.uint8]
Enlarger = Callable[[Pixels], Pixels]


@torch.no_grad()
def enlarge_pixels(generator: Generator, low_res: Pixels) -> Pixels:
    """Enlarge (H, W, 3) uint8 to (2H, 2W, 3) uint8 where the generator is, the whole picture at once, float32."""
    device = next(generator.parameters()).device
    batch = torch.from_numpy(np.array(low_res)).to(device).permute(2, 0, 1)[None].float().div_(255)
    batch = batch.contiguous(memory_format=torch.channels_last)
    high_res = enlarge(generator, batch)[0].clamp_(0, 1).mul_(255).round_().to(torch.uint8)
    return np.asarray(high_res.permute(1, 2, 0).contiguous().cpu().numpy())


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
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != ".")
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
