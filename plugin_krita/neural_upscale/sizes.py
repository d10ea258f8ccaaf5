"""How large the results become, and where each layer's lies. No Qt, no Krita."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from . import client
from .client import Enlargement, Region, Size
from .errors import WrongOption
from .i18n import _
from .settings import Settings


def basis(canvas: Region, wanted: Sequence[Region], output: str, selected: bool) -> Region:
    """Return what the size of the result is the enlarged size of.

    Args:
        canvas: the document's.
        wanted: what is to be enlarged of each layer.
        output: a key of settings.OUTPUTS.
        selected: whether there is a selection.

    Returns:
        The canvas, where the result is a document of it, else the rectangle round what is to be enlarged.
    """
    whole = output == "enlarge" or (output == "new" and not selected)
    return canvas if whole else reduce(Region.united, wanted)


def result_of(settings: Settings, size: Size) -> Size:
    """Return the size that these settings give what is enlarged.

    Args:
        settings: the user's choices.
        size: of what is enlarged, in pixels.

    Returns:
        The size of the result.

    Raises:
        WrongOption: it lies outside of ×1 … ×8, or has another shape.
    """
    if settings.width and settings.height:
        result = Size(settings.width, settings.height)
        if not client.can_become(size, result):
            text = _("{result} pixels are not ×1 to ×8 of {size} in its shape; give only the width or the height.")
            raise WrongOption(text.format(result=f"{result.width}×{result.height}", size=f"{size.width}×{size.height}"))
        return result
    kind, value = next(
        (name, given) for name in ("width", "height", "scale") if (given := getattr(settings, name)) is not None
    )
    try:
        return client.Target(kind, value).size_for(size)
    except client.WrongSize as fault:
        raise WrongOption(str(fault)) from fault


def enlargement(whole: Region, result: Size, place: Region, output: str) -> Enlargement:
    """Return where a layer's result lies.

    Args:
        whole: the `basis`.
        result: its enlarged size.
        place: what is to be enlarged of the layer.
        output: a key of settings.OUTPUTS.

    Returns:
        For "layer" from the top-left corner of `place`, else from the document's or the patch's.

    Raises:
        WrongOption: the canvas rounds to another shape than the layer, which reaches far past it.
    """
    found = Enlargement(whole, Region(0, 0, result.width, result.height))
    if output == "layer":
        size = found.of(place).size if place != whole else result
        found = Enlargement(place, Region(place.x, place.y, size.width, size.height))
    if not client.can_become(place.size, found.of(place).size):
        text = _("A layer reaches too far past the canvas for {result} pixels; choose a whole factor, for example ×2.")
        raise WrongOption(text.format(result=f"{result.width}×{result.height}"))
    return found


def label(settings: Settings, result: Size) -> str:
    """Return what names of results end with: the factor, or the pixels where those were given."""
    if settings.width or settings.height:
        return f"{result.width}x{result.height}"
    return f"x{settings.scale:g}"
