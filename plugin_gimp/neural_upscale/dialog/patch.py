"""The preview's patch as values: what is sent of it, what GIMP's own scaling makes of it, and how both are shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gi.repository import Gegl

from .. import client, host, masks
from ..client import CONTEXT, Region
from ..host import Encoding

SHOWN = "R'G'B'A u8"  # sRGB: GEGL converts from the image's own space


@dataclass(frozen=True)
class Patch:
    """A part of a layer.

    Attributes:
        region: the part, in the image's coordinates.
        sent: the part with the context that the generator sees.
        encoding: what the pixels are.
        pixels: those of `sent`.
        before: the part ×2 as GIMP's cubic scaling makes it, to be shown.
    """

    region: Region
    sent: Region
    encoding: Encoding
    pixels: bytearray = field(repr=False)
    before: bytes = field(repr=False)

    @property
    def size(self) -> client.Size:
        """Return the size of the part ×2."""
        return self.region.size.enlarged()


def take(image: Any, layer: Any, centre: tuple[int, int]) -> Patch:
    """Take the patch about a point of the image from a layer."""
    whole = host.region_of(layer)
    region = client.patch_about(centre, whole)
    sent = region.grown(CONTEXT).intersected(whole)
    encoding = host.encoding_of(layer, image)
    pixels = host.read(layer, sent.moved(-whole.x, -whole.y), encoding)
    inside = region.moved(-sent.x, -sent.y).doubled()
    with host.scratch(host.new_image(image, sent.size)) as lent:
        copy = host.new_layer(lent, "patch", sent.size, encoding.wire.layout)
        lent.insert_layer(copy, None, 0)
        host.fill(copy, encoding, pixels)
        masks.scale(copy, sent.size.enlarged())
        before = _read(copy.get_buffer(), inside)
    return Patch(region, sent, encoding, pixels, before)


def shown(patch: Patch, answer: Any) -> bytes:
    """Turn the server's answer for a patch into the part ×2 to be shown, sRGB with alpha in 8 bits."""
    part = client.cut(answer, patch.sent.doubled(), patch.region.doubled(), patch.encoding.wire.bytes_per_pixel)
    whole = Region(0, 0, patch.size.width, patch.size.height)
    buffer = Gegl.Buffer.new(patch.encoding.babl, 0, 0, whole.width, whole.height)
    host.write(buffer, whole, patch.encoding, part)
    return _read(buffer, whole)


def _read(buffer: Any, region: Region) -> bytes:
    rectangle = Gegl.Rectangle.new(region.x, region.y, region.width, region.height)
    return bytes(buffer.get(rectangle, 1.0, SHOWN, Gegl.AbyssPolicy.NONE))
