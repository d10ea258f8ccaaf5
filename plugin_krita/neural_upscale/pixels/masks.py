"""Enlarges the masks of a layer that is not in the document yet, as Krita would have done with the whole document."""

from __future__ import annotations

from typing import Any

from ..client import Region, Size
from ..host import documents, scratch
from ..host.colour import ColourSpace
from ..i18n import _
from ..layers import kind_of

GREY = ColourSpace("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc")
WITH_PIXELS = ("transparencymask", "filtermask", "selectionmask")


def enlarge_mask(mask: bytes, region: Region, size: Size) -> bytes:
    """Enlarge a mask with Krita's cubic filter.

    Args:
        mask: one byte a pixel of `region`.
        region: where it lies.
        size: of the result.

    Returns:
        One byte a pixel of that size. All-0 and all-255 masks stay what they are.
    """
    if len(set(mask)) == 1:
        return mask[:1] * (size.width * size.height)
    pixels = bytearray(b"\xff" * (2 * len(mask)))
    pixels[0::2] = mask
    return scratch.enlarge(bytes(pixels), region.size, GREY, size)[0::2]


def enlarge_masks(node: Any, region: Region, target: Region) -> tuple[str, ...]:
    """Enlarge the node's masks.

    Args:
        node: a copy of a layer, in no document yet.
        region: the part of the masks that is wanted, as it was before.
        target: where it goes, enlarged.

    Returns:
        A sentence for each mask that could not be enlarged.
    """
    notices = []
    for mask in node.childNodes():
        if mask.type() in WITH_PIXELS:
            documents.write_pixels(mask, target, enlarge_mask(documents.read_pixels(mask, region), region, target.size))
        else:
            text = _("The {kind} '{name}' could not be enlarged with the layer; check its place.")
            notices.append(text.format(kind=kind_of(mask), name=mask.name()))
    return tuple(notices)
