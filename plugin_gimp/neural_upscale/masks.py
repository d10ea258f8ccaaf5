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


def wanted_of(layer: Any, area: Region | None) -> Region:
    """Return what is to be enlarged of a layer: all, or what the rectangle round the selection touches, if anything."""
    region = host.region_of(layer)
    return region if area is None else region.intersected(area)


def basis(image: Any, layers: list[Any], output: str) -> Region:
    """Return what the size of the result is the enlarged size of.

    Args:
        image: GIMP's image.
        layers: those to be enlarged.
        output: one of settings.OUTPUTS.

    Returns:
        The canvas for `enlarge`, else the rectangle round what is to be enlarged of the layers; never empty.
    """
    canvas, around = Region(0, 0, image.get_width(), image.get_height()), Region(0, 0, 0, 0)
    for each in layers:
        around = around.united(wanted_of(each, selected(image)))
    return canvas if output == "enlarge" or around.is_empty else around


def enlarged(mask: Mask, after: Region) -> Mask:
    """Let GIMP enlarge a mask by its cubic method to where it is to lie, in a scratch image of the same depth."""
    size = mask.region.size
    sample = mask.encoding.babl.rsplit(" ", 1)[1]
    precision = getattr(Gimp.Precision, f"{SAMPLES.get(sample, 'FLOAT')}_LINEAR")
    image = Gimp.Image.new_with_precision(size.width, size.height, Gimp.ImageBaseType.GRAY, precision)
    with host.scratch(image):
        layer = host.new_layer(image, "mask", size, "GRAY")
        image.insert_layer(layer, None, 0)
        host.fill(layer, mask.encoding, mask.values)
        scale(layer, after.size)
        whole = Region(0, 0, layer.get_width(), layer.get_height())
        return Mask(after, mask.encoding, host.read(layer, whole, mask.encoding))


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
