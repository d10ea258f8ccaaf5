"""Finds how much context a tile needs: the receptive radius where that is affordable, else the measured halo.

A halo is measured: the smallest one for which tiles computed with it, those of edges and corners too, differ from the
whole picture by at most 0.5/255. Where none does, the server blends the tiles.
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
BLEND = 16  # low-resolution pixels, where no halo is enough
_CANDIDATES = (8, 12, 16, 24, 32, 48, 64, 96, 128)
_TILE = 64
_SIDE = 3 * _TILE  # of a picture: nine tiles, of which one has no edge


@dataclass(frozen=True)
class Halo:
    """Context of a tile."""

    pixels: int  # At the low resolution, on each side
    error: float  # Largest difference between tiled and untiled, values 0…1; 0 where the halo is the receptive radius

    @property
    def blend(self) -> int:
        """Pixels over which the server fades tiles into each other; 0 where they equal the whole."""
        return 0 if self.error <= TOLERANCE else BLEND


@torch.no_grad()
def measure_halo(generators: Sequence[Generator], pictures: Sequence[Tensor]) -> Halo:
    """Find the halo with which the tiles of each of some generators of one configuration equal the whole.

    Args:
        generators: Evaluation mode, float32, on one device.
        pictures: (1, 3, H, W) float32, 0…1, photos to measure on where the receptive radius is too large; of larger
            ones a middle part of 192×192 pixels; without any, noise is taken.

    Returns:
        The halo and its error; the largest candidate where none reaches the tolerance.
    """
    radius = generators[0].receptive_radius
    if radius <= AFFORDABLE_RADIUS:
        return Halo(radius, 0.0)
    pictures = [_middle(picture) for picture in pictures] or [_noise().to(next(generators[0].parameters()).device)]
    wholes = [
        (generator, picture, _inner(enlarge(generator, mirrored(picture, _CANDIDATES[-1])), generator.scale))
        for generator in generators
        for picture in pictures
    ]
    halo = Halo(_CANDIDATES[0], float("inf"))
    for pixels in _CANDIDATES:
        error = 0.0
        for generator, picture, whole in wholes:
            error = max(error, tiling_error(generator, picture, whole, pixels))
            if error > TOLERANCE and pixels < _CANDIDATES[-1]:
                break  # the next one
        halo = Halo(pixels, error)
        if error <= TOLERANCE:
            break
    return halo


@torch.no_grad()
def tiling_error(generator: Generator, picture: Tensor, whole: Tensor, pixels: int) -> float:
    """Compare all tiles of a picture with the whole of it.

    Args:
        generator: Evaluation mode.
        picture: (1, 3, H, W) float32, 0…1.
        whole: What the generator makes of it where it is mirrored at its edges far enough, (1, 3, scale·H, scale·W).
        pixels: The halo.

    Returns:
        The largest difference, values 0…1.
    """
    extended, scale = mirrored(picture, pixels), generator.scale
    height, width = picture.shape[-2:]
    worst = 0.0
    for top in range(0, height, _TILE):
        for left in range(0, width, _TILE):
            rows, columns = min(_TILE, height - top), min(_TILE, width - left)
            tile = extended[..., top : top + rows + 2 * pixels, left : left + columns + 2 * pixels]
            near = scale * pixels
            alone = enlarge(generator, tile)[..., near : near + scale * rows, near : near + scale * columns]
            there = whole[..., scale * top : scale * (top + rows), scale * left : scale * (left + columns)]
            worst = max(worst, float((alone - there).abs().max()))
    return worst


def mirrored(picture: Tensor, pixels: int) -> Tensor:
    """Extend a picture beyond its edges as the server does, by mirroring it as often as needed.

    Args:
        picture: (1, 3, H, W).
        pixels: How far, on each side.

    Returns:
        (1, 3, H + 2·pixels, W + 2·pixels).
    """
    for axis in (2, 3):
        side = picture.shape[axis]
        places = torch.arange(-pixels, side + pixels, device=picture.device) % (2 * side)
        picture = picture.index_select(axis, torch.minimum(places, 2 * side - 1 - places))
    return picture


def _inner(enlarged: Tensor, scale: int) -> Tensor:
    edge = scale * _CANDIDATES[-1]
    return enlarged[..., edge:-edge, edge:-edge]


def _middle(picture: Tensor) -> Tensor:
    height, width = picture.shape[-2:]
    top, left = max(0, (height - _SIDE) // 2), max(0, (width - _SIDE) // 2)
    return picture[..., top : top + _SIDE, left : left + _SIDE]


def _noise() -> Tensor:
    coarse = torch.rand(1, 3, _SIDE // 8, _SIDE // 8, generator=torch.Generator().manual_seed(0))
    return functional.interpolate(coarse, scale_factor=8, mode="bicubic").clamp(0, 1)
