"""How large a result is to be, from a factor, a side or megapixels, and what it takes to make it.

Standard library only: this package is copied whole into both plug-ins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .protocol import SCALE, Size, WrongSize

LEAST_FACTOR, MOST_FACTOR = 1, 8
MEGAPIXEL = 10**6


@dataclass(frozen=True)
class Target:
    """How large results are to be."""

    # "scale" (value is a factor), "width", "height" or "long_side" (pixels of the result), or "megapixels" (10⁶
    # pixels of the result)
    kind: str = "scale"
    value: float = SCALE  # more than 0
    height: int | None = None  # pixels of the result, beside a width; None where it follows from the shape

    def size_for(self, size: Size) -> Size:
        """Find the size of a picture's result.

        Args:
            size: the picture's.

        Returns:
            A size of the picture's shape, up to rounding.

        Raises:
            WrongSize: it lies outside of ×1 … ×8, or width and height do not fit the picture's shape.
        """
        factor = self._factor(size)
        if not LEAST_FACTOR <= factor <= MOST_FACTOR:
            raise WrongSize(
                f"{self.kind.replace('_', ' ')} {self.value:g} is ×{factor:.3g} of {size.width}×{size.height} pixels; "
                f"expected ×{LEAST_FACTOR} to ×{MOST_FACTOR}; choose a size between."
            )
        result = size.enlarged(factor)
        if self.height is None or self.height == result.height:
            return result
        asked = Size(result.width, self.height)
        if not can_become(size, asked):
            raise WrongSize(
                f"{asked.width}×{asked.height} has not the shape of {size.width}×{size.height} pixels; expected "
                f"{result.width}×{result.height}, or one pixel more or less; give only one side, or crop first."
            )
        return asked

    @property
    def label(self) -> str | None:
        """Return what results are named after, as "x3"; None where that is each one's own size, as "4000x3000"."""
        return f"x{self.value:g}" if self.kind == "scale" else None

    def _factor(self, size: Size) -> float:
        if self.kind == "scale":
            return self.value
        if self.kind == "megapixels":
            return math.sqrt(self.value * MEGAPIXEL / (size.width * size.height))
        before = {"width": size.width, "height": size.height, "long_side": max(size.width, size.height)}[self.kind]
        return self.value / before


def passes(size: Size, result: Size) -> int:
    """Return how many enlargements ×2 a result takes, 1…3; where they exceed it, it is reduced from the last one."""
    count = 1
    while size.width << count < result.width or size.height << count < result.height:
        count += 1
    return count


def computed_pixels(size: Size, result: Size) -> int:
    """Return how many pixels the generator has to enlarge, all passes together: what the time is in proportion to."""
    return size.width * size.height * sum(1 << 2 * number for number in range(passes(size, result)))


def can_become(size: Size, result: Size) -> bool:
    """Return whether a result can be made of a picture: ×1 … ×8, and of its shape up to one pixel on each side."""
    pairs = ((size.width, result.width), (size.height, result.height))
    within = all(LEAST_FACTOR * before <= after <= MOST_FACTOR * before for before, after in pairs)
    lowest = max((after - 1) / before for before, after in pairs)
    highest = min((after + 1) / before for before, after in pairs)
    return within and lowest <= highest
