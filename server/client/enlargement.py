"""Where a part of a picture lies in the enlarged one: what both plug-ins place their results by.

Standard library only: this package is copied whole into both plug-ins. Knows no editor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .geometry import CONTEXT, Region

REACH = 16  # pixels by which a part may grow, so that its border falls on a whole pixel of the result


@dataclass(frozen=True)
class Enlargement:
    """Takes places of a picture to places of the result; corners round to pixels, as in the editors' own scaling."""

    before: Region  # what is enlarged, in the picture's coordinates
    after: Region  # where that lies in the result

    @property
    def factors(self) -> tuple[float, float]:
        """Return how many times as wide and as high the result is."""
        return self.after.width / self.before.width, self.after.height / self.before.height

    def of(self, part: Region) -> Region:
        """Return where a part of the picture lies in the result."""
        across, down = self.factors
        scaled = part.moved(-self.before.x, -self.before.y).scaled(across, down)
        return scaled.moved(self.after.x, self.after.y)

    def aligned(self, part: Region) -> Region:
        """Return a part grown until its borders lie where whole pixels of the result begin, or as near as can be."""
        across, down = self.factors
        left, top = part.x - self.before.x, part.y - self.before.y
        right, bottom = _on_pixel(left + part.width, 1, across), _on_pixel(top + part.height, 1, down)
        left, top = _on_pixel(left, -1, across), _on_pixel(top, -1, down)
        return Region(self.before.x + left, self.before.y + top, right - left, bottom - top)

    def with_context(self, part: Region, whole: Region) -> Region:
        """Return a part with what the generator sees round it, as far as `whole` reaches; aligned where it can be."""
        return self.aligned(part.grown(CONTEXT)).intersected(whole)


def _on_pixel(border: int, step: int, factor: float) -> int:
    def distance(place: int) -> float:
        return round(abs(place * factor - math.floor(place * factor + 0.5)), 6)

    return min((border + step * number for number in range(REACH)), key=distance)
