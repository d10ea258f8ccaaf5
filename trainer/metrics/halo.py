"""Finds how much context a tile needs: the receptive radius where that is affordable, else the measured halo.

A halo is measured: the smallest one for which a tile computed with it differs from the whole picture by at most
0.5/255 (design.md, "Halo and tiles").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from weights import Generator, enlarge

AFFORDABLE_RADIUS = 32
TOLERANCE = 0.5 / 255
_CANDIDATES = (8, 12, 16, 24, 32, 48, 64, 96, 128)
_CORE = 32


@dataclass(frozen=True)
class Halo:
    """Context of a tile."""

    pixels: int  # At the low resolution, on each side
    error: float  # Largest difference between tiled and untiled, values 0…1; 0 where the halo is the receptive radius


@torch.no_grad()
def measure_halo(generator: Generator, pictures: Sequence[Tensor]) -> Halo:
    """Find the halo of a generator.

    Args:
        generator: Evaluation mode, float32.
        pictures: (1, 3, H, W) float32, 0…1, photos to measure on where the receptive radius is too large.

    Returns:
        The halo and its error; the largest candidate where none reaches the tolerance.
    """
    radius = generator.receptive_radius
    if radius <= AFFORDABLE_RADIUS:
        return Halo(radius, 0.0)
    halo = Halo(_CANDIDATES[0], float("inf"))
    for pixels in _CANDIDATES:
        halo = Halo(pixels, max(tiling_error(generator, picture, pixels) for picture in pictures))
        if halo.error <= TOLERANCE:
            break
    return halo


@torch.no_grad()
def tiling_error(generator: Generator, picture: Tensor, pixels: int) -> float:
    """Compare one tile in the middle of a picture with the same place of the whole picture.

    Args:
        generator: Evaluation mode.
        picture: (1, 3, H, W) float32, 0…1, at least 32 pixels and more than `pixels` per side.
        pixels: The halo.

    Returns:
        The largest difference, values 0…1.
    """
    extended = functional.pad(picture, (pixels,) * 4, mode="reflect")
    height, width = picture.shape[-2:]
    top, left = (height - _CORE) // 2, (width - _CORE) // 2
    tile = extended[..., top : top + _CORE + 2 * pixels, left : left + _CORE + 2 * pixels]
    scale = generator.scale
    inner = slice(pixels * scale, (pixels + _CORE) * scale)
    alone = enlarge(generator, tile)[..., inner, inner]
    rows = slice((top + pixels) * scale, (top + pixels + _CORE) * scale)
    columns = slice((left + pixels) * scale, (left + pixels + _CORE) * scale)
    whole = enlarge(generator, extended)[..., rows, columns]
    return float((alone - whole).abs().max())
