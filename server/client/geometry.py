"""Places in a picture as value objects, and the pixels that lie there: what both plug-ins reckon with.

Standard library only: this package is copied whole into both plug-ins. Knows no editor.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

from .protocol import SCALE, Size

CONTEXT = 64  # pixels sent round a patch, so that its border looks as it does in the whole picture
PIECE = 1 << 24  # bytes hashed at once


@dataclass(frozen=True)
class Region:
    """A rectangle in pixels; `x` and `y` may be negative, for layers reach past the canvas."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """Return the first column to the right of the region."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """Return the first row below the region."""
        return self.y + self.height

    @property
    def is_empty(self) -> bool:
        """Return whether the region holds no pixel."""
        return self.width <= 0 or self.height <= 0

    @property
    def size(self) -> Size:
        """Return its size."""
        return Size(self.width, self.height)

    @property
    def centre(self) -> tuple[int, int]:
        """Return the pixel in its middle."""
        return self.x + self.width // 2, self.y + self.height // 2

    def doubled(self) -> Region:
        """Return the same place in the picture that is twice as large."""
        return Region(self.x * SCALE, self.y * SCALE, self.width * SCALE, self.height * SCALE)

    def doubled_in_place(self) -> Region:
        """Return a region twice as large with the same top-left corner."""
        return Region(self.x, self.y, self.width * SCALE, self.height * SCALE)

    def scaled(self, across: float, down: float) -> Region:
        """Return the same place in the picture that is so many times as wide and high; corners round to pixels."""
        x, y = math.floor(self.x * across + 0.5), math.floor(self.y * down + 0.5)
        right, bottom = math.floor(self.right * across + 0.5), math.floor(self.bottom * down + 0.5)
        return Region(x, y, right - x, bottom - y)

    def grown(self, pixels: int) -> Region:
        """Return the region with a border of so many pixels on each side."""
        return Region(self.x - pixels, self.y - pixels, self.width + 2 * pixels, self.height + 2 * pixels)

    def intersected(self, other: Region) -> Region:
        """Return the part that both cover; empty (width or height 0) when they do not touch."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        width, height = min(self.right, other.right) - x, min(self.bottom, other.bottom) - y
        return Region(x, y, max(0, width), max(0, height))

    def united(self, other: Region) -> Region:
        """Return the smallest rectangle that holds both; an empty one adds nothing."""
        if self.is_empty or other.is_empty:
            return other if self.is_empty else self
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Region(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)

    def moved(self, x: int, y: int) -> Region:
        """Return the region moved by so many pixels."""
        return Region(self.x + x, self.y + y, self.width, self.height)


def cut(pixels: Any, whole: Region, part: Region, bytes_per_pixel: int) -> Any:
    """Cut `part` out of the pixels of `whole`.

    Args:
        pixels: bytes-like, rows top to bottom without padding, `bytes_per_pixel` bytes a pixel.
        whole: where the pixels lie.
        part: where the wanted pixels lie; inside of `whole`.
        bytes_per_pixel: bytes of one pixel.

    Returns:
        The pixels of `part`, rows without padding; `pixels` itself when that is all of them.

    Raises:
        ValueError: `part` is not inside of `whole`.
    """
    if part.intersected(whole) != part:
        raise ValueError(f"{part} is not inside of {whole}")
    if part == whole:
        return pixels
    row, wanted = whole.width * bytes_per_pixel, part.width * bytes_per_pixel
    first = (part.y - whole.y) * row + (part.x - whole.x) * bytes_per_pixel
    view = memoryview(pixels)
    return b"".join(view[start : start + wanted] for start in range(first, first + part.height * row, row))


def fingerprint(pixels: Any) -> bytes:
    """Return a hash by which it is later known whether pixels (bytes-like) are still the same."""
    digest = hashlib.sha256()
    view = memoryview(pixels).cast("B")
    for start in range(0, len(view), PIECE):
        digest.update(view[start : start + PIECE])
    return digest.digest()
