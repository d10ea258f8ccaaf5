"""How large the result becomes. Knows no GIMP."""

from __future__ import annotations

from . import client
from .client import Size
from .i18n import _
from .settings import Settings


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
