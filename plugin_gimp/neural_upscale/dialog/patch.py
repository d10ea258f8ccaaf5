"""The preview's patch as values: what is sent of it, what GIMP's own scaling makes of it, and how both are shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gi.repository import Gegl

from .. import client, host, masks
from ..client import CONTEXT, Region
from ..host import Encoding

PLACES = 8  # looked at in each direction for the most detailed
LOOKED_AT = 48  # pixels: the side of each
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


def take(image: Any, layer: Any, centre: tuple[int, int], room: client.Size) -> Patch:
    """Take the patch about a point of the image from a layer, so large that ×2 it fills `room` where it can."""
    whole = host.region_of(layer)
    across = client.patch_about(centre, whole, max(1, room.width // 2))
    down = client.patch_about(centre, whole, max(1, room.height // 2))
    region = Region(across.x, down.y, across.width, down.height)
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


def most_detailed(layer: Any, within: Region) -> tuple[int, int]:
    """Return the centre of the place with the most detail among up to PLACES × PLACES in a part of a layer.

    Args:
        layer: the layer.
        within: the part, in the image's coordinates.

    Returns:
        A pixel of the image.
    """
    whole = host.region_of(layer)
    buffer = layer.get_buffer()
    best, found = -1, within.centre
    for row in range(PLACES):
        for column in range(PLACES):
            x = within.x + within.width * (2 * column + 1) // (2 * PLACES)
            y = within.y + within.height * (2 * row + 1) // (2 * PLACES)
            place = client.patch_about((x, y), within, LOOKED_AT).moved(-whole.x, -whole.y)
            rectangle = Gegl.Rectangle.new(place.x, place.y, place.width, place.height)
            seen = bytes(buffer.get(rectangle, 1.0, "Y'A u8", Gegl.AbyssPolicy.NONE))
            grey, alpha = seen[::2], seen[1::2]
            # Differences of neighbours: in a blurred place they are small, however large its contrast.
            steps = sum(abs(one - other) for one, other, seen in zip(grey, grey[1:], alpha, strict=False) if seen)
            if steps > best:
                best, found = steps, (x, y)
    return found


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
