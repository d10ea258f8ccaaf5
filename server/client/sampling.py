"""Where in a picture cleanup is judged: a few squares, the same ones whoever asks.

Standard library only: this package is copied whole into both plug-ins. So a plug-in sends the squares of a layer
instead of the layer, and the server comes to the same value as from the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .geometry import Region
from .protocol import PixelFormat, Size

SIDE = 64  # pixels of a square; of a smaller picture all of it
GRID = 8  # the squares' corners are multiples of it, so that all cut JPEG's blocks alike
SPACING = 96  # pixels from square to square at least: in small pictures too, looking must cost little
MOST_ALONG = 8  # squares along each side


@dataclass(frozen=True)
class Samples:
    """The squares of one picture."""

    size: Size  # the whole picture's
    pixel_format: PixelFormat  # layout, depth and transfer
    pixels: bytes = field(repr=False)  # one square after the other, rows without padding


def take_samples(read: Callable[[Region], Any], size: Size, pixel_format: PixelFormat) -> Samples:
    """Read the squares of a picture.

    Args:
        read: returns the pixels of a region of the picture, bytes-like, rows without padding.
        size: the picture's size.
        pixel_format: what `read` returns.

    Returns:
        The squares.
    """
    return Samples(size, pixel_format, b"".join(bytes(read(region)) for region in sampled_regions(size)))


def sampled_regions(size: Size) -> list[Region]:
    """Return the squares of a picture, all of one size, row by row; they do not overlap."""
    width, height = min(SIDE, size.width), min(SIDE, size.height)
    return [
        Region(left, top, width, height) for top in _starts(size.height, height) for left in _starts(size.width, width)
    ]


def _starts(extent: int, side: int) -> list[int]:
    count = min(MOST_ALONG, extent // SPACING)
    room = extent - side
    if count <= 1:
        return [room // 2 // GRID * GRID]
    return [index * room // (count - 1) // GRID * GRID for index in range(count)]
