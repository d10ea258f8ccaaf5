"""How large the result becomes, and where a part of the image lies in it. Knows no GIMP."""

from __future__ import annotations

from dataclasses import dataclass

from . import client
from .client import CONTEXT, Region, Size
from .i18n import _
from .settings import Settings

REACH = 16  # pixels by which context may grow, so that its border falls on a whole pixel of the result


@dataclass(frozen=True)
class Enlargement:
    """Takes places of the image to places of the result; corners round to pixels, as in GIMP's own scaling."""

    before: Region  # what is enlarged, in the image's coordinates
    after: Region  # where that lies in the result

    @property
    def factors(self) -> tuple[float, float]:
        """Return how many times as wide and as high the result is."""
        return self.after.width / self.before.width, self.after.height / self.before.height

    def of(self, part: Region) -> Region:
        """Return where a part of the image lies in the result."""
        across, down = self.factors
        scaled = part.moved(-self.before.x, -self.before.y).scaled(across, down)
        return scaled.moved(self.after.x, self.after.y)

    def with_context(self, part: Region, whole: Region) -> Region:
        """Return a part with what the generator sees round it, as far as `whole` reaches.

        Its borders lie where whole pixels of the result begin, or as near as can be, so that the part is not shifted.
        """
        across, down = self.factors
        left, top = part.x - self.before.x - CONTEXT, part.y - self.before.y - CONTEXT
        right, bottom = left + part.width + 2 * CONTEXT, top + part.height + 2 * CONTEXT
        left, right = _on_pixel(left, -1, across), _on_pixel(right, 1, across)
        top, bottom = _on_pixel(top, -1, down), _on_pixel(bottom, 1, down)
        grown = Region(self.before.x + left, self.before.y + top, right - left, bottom - top)
        return grown.intersected(whole)


def _on_pixel(border: int, step: int, factor: float) -> int:
    def distance(place: int) -> float:
        return round(abs(place * factor - round(place * factor)), 6)

    return min((border + step * number for number in range(REACH)), key=distance)


def result_of(settings: Settings, size: Size) -> Size:
    """Return the size that these settings give what is enlarged.

    Args:
        settings: the user's choices.
        size: of what is enlarged, in pixels.

    Returns:
        The size of the result.

    Raises:
        WrongSize: it lies outside of ×1 … ×8, or has another shape.
    """
    if settings.width and settings.height:
        result = Size(settings.width, settings.height)
        if not client.can_become(size, result):
            raise client.WrongSize(
                _("{result} pixels are not ×1 to ×8 of {size} in its shape; give only the width or the height.").format(
                    result=f"{result.width}×{result.height}", size=f"{size.width}×{size.height}"
                )
            )
        return result
    if settings.width:
        return client.Target("width", settings.width).size_for(size)
    if settings.height:
        return client.Target("height", settings.height).size_for(size)
    return client.Target("scale", settings.scale).size_for(size)
