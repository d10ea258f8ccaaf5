"""Selections and layer masks as values, and how GIMP enlarges them. They are linear grey, in the image's depth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gi.repository import Babl, Gimp

from . import client, host
from .client import Region, cut
from .host import Encoding
from .i18n import _

SAMPLES = {"u8": "U8", "u16": "U16", "u32": "U32", "half": "HALF", "float": "FLOAT", "double": "DOUBLE"}


@dataclass(frozen=True)
class Mask:
    """A mask's values."""

    region: Region  # where they lie in the image
    encoding: Encoding  # what they are
    values: Any = field(repr=False)  # the pixels, rows without padding


def take(drawable: Any, region: Region) -> Mask:
    """Read a part of a mask or selection; `region` in the drawable's own coordinates."""
    return Mask(region, _encoding(drawable), host.read(drawable, region, _encoding(drawable)))


def part(mask: Mask, region: Region) -> Mask:
    """Cut a part, given in the image's coordinates, out of a mask."""
    values = cut(mask.values, mask.region, region, mask.encoding.wire.bytes_per_pixel)
    return Mask(region, mask.encoding, values)


def selected(image: Any) -> Region | None:
    """Return the rectangle round the selection; None when nothing is selected."""
    _, some, left, top, right, bottom = Gimp.Selection.bounds(image)
    return Region(left, top, right - left, bottom - top) if some else None


def pixel_count(image: Any, layers: list[Any]) -> int:
    """Return how many pixels of these layers are to be enlarged: all, or those in the rectangle of the selection."""
    area = selected(image)
    wanted = [host.region_of(each) if area is None else host.region_of(each).intersected(area) for each in layers]
    return sum(each.width * each.height for each in wanted)


def enlarged(mask: Mask) -> Mask:
    """Let GIMP enlarge a mask ×2 by its cubic method, in a scratch image of the same depth."""
    size = mask.region.size
    sample = mask.encoding.babl.rsplit(" ", 1)[1]
    precision = getattr(Gimp.Precision, f"{SAMPLES.get(sample, 'FLOAT')}_LINEAR")
    image = Gimp.Image.new_with_precision(size.width, size.height, Gimp.ImageBaseType.GRAY, precision)
    with host.scratch(image):
        layer = host.new_layer(image, "mask", size, "GRAY")
        image.insert_layer(layer, None, 0)
        host.fill(layer, mask.encoding, mask.values)
        scale(layer, size.enlarged())
        whole = Region(0, 0, layer.get_width(), layer.get_height())
        return Mask(mask.region.doubled(), mask.encoding, host.read(layer, whole, mask.encoding))


def scale(layer: Any, size: client.Size) -> None:
    """Scale a layer as GIMP's own Scale Layer does, by the cubic method."""
    Gimp.context_push()
    try:
        Gimp.context_set_interpolation(Gimp.InterpolationType.CUBIC)
        host.must(layer.scale(size.width, size.height, False), _("scale a layer"))
    finally:
        Gimp.context_pop()


def add(layer: Any, mask: Mask) -> Any:
    """Add a layer mask with these values to a layer in an image, and return GIMP's mask."""
    made = host.must(layer.create_mask(Gimp.AddMaskType.WHITE), _("make a layer mask"))
    host.must(layer.add_mask(made), _("add a layer mask"))
    host.fill(made, mask.encoding, mask.values)
    return made


def become_alpha(layer: Any, mask: Mask) -> None:
    """Multiply the alpha of a layer in an image by a mask."""
    if not layer.has_alpha():
        host.must(layer.add_alpha(), _("add an alpha channel"))
    add(layer, mask)
    host.must(layer.remove_mask(Gimp.MaskApplyMode.APPLY), _("apply a mask"))


def _encoding(drawable: Any) -> Encoding:
    sample = Babl.format_get_encoding(drawable.get_format()).rsplit(" ", 1)[1]
    sample = sample if sample in host.DEPTHS else host.WIDEST
    return Encoding(client.PixelFormat("GRAY", host.DEPTHS[sample], "linear"), f"Y {sample}")
