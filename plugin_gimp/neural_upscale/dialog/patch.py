"""The preview's patch as values: what is sent of it, what GIMP's own scaling makes of it, and how both are shown."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from gi.repository import Gegl

from .. import client, effects, host, masks
from ..client import Enlargement, Region
from ..effects import Effect
from ..host import Encoding

PLACES = 8  # looked at in each direction for the most detailed
LOOKED_AT = 48  # pixels: the side of each
SHOWN = "R'G'B'A u8"  # sRGB: GEGL converts from the image's own space


@dataclass(frozen=True)
class Patch:
    """A part of a layer."""

    region: Region  # the part, in the image's coordinates
    sent: Region  # the part with the context that the generator sees
    encoding: Encoding  # what the pixels are
    pixels: bytearray = field(repr=False)  # those of `sent`
    growth: Enlargement  # of the part
    before: bytes = field(repr=False)  # the part enlarged as GIMP's cubic scaling makes it, to be shown

    @property
    def size(self) -> client.Size:
        """Return the size of the part, enlarged."""
        return self.growth.after.size

    @property
    def asked(self) -> client.Size:
        """Return the size of `sent`, enlarged."""
        return self.growth.of(self.sent).size


@dataclass(frozen=True)
class Looks:
    """A layer, and what the preview has to know of its looks."""

    image: Any  # GIMP's image
    layer: Any  # GIMP's layer
    effects: list[Effect]  # those that go over to the result, as they are
    merged: bool  # the others are part of the pixels that are sent

    @classmethod
    def of(cls, image: Any, layer: Any) -> Looks:
        """Read a layer's effects."""
        found = effects.effects_of(layer)
        if not effects.can_move(layer, found):
            return cls(image, layer, [], merged=True)
        return cls(image, layer, found, merged=False)

    def take(self, centre: tuple[int, int], room: client.Size, factor: float) -> Patch:
        """Take the patch about a point of the image, so large that enlarged it fills `room` where it can."""
        whole = host.region_of(self.layer)
        wanted = client.Size(math.ceil(room.width / factor), math.ceil(room.height / factor))
        region = client.patch_about(centre, whole, wanted)
        size = region.size.enlarged(factor)
        growth = Enlargement(region, Region(0, 0, size.width, size.height))
        sent = growth.with_context(region, whole)
        encoding = host.encoding_of(self.layer, self.image)
        pixels = effects.read(self.layer, sent, encoding, merged=self.merged)
        patch = Patch(region, sent, encoding, pixels, growth, b"")
        return replace(patch, before=self._rendered(patch, pixels, sent.size))

    def shown(self, patch: Patch, answer: Any) -> bytes:
        """Turn the server's answer for a patch into the enlarged part to be shown, sRGB with alpha in 8 bits."""
        return self._rendered(patch, answer, patch.asked)

    def _rendered(self, patch: Patch, pixels: Any, size: client.Size) -> bytes:
        """Let GIMP make of pixels, which it scales where they are smaller, and of the effects what it would show."""
        with host.scratch(host.new_image(self.image, patch.asked)) as lent:
            layer = host.new_layer(lent, "patch", size, patch.encoding.wire.layout)
            lent.insert_layer(layer, None, 0)
            host.fill(layer, patch.encoding, pixels)
            if size != patch.asked:
                masks.scale(layer, patch.asked)
            effects.add(layer, [effects.enlarged(each, patch.growth.factors[0]) for each in self.effects])
            layer.merge_filters()
            grown = host.region_of(layer)  # an effect may make it larger
            sent = patch.growth.of(patch.sent)
            part = patch.growth.after.moved(-sent.x, -sent.y).moved(-grown.x, -grown.y)
            rectangle = Gegl.Rectangle.new(part.x, part.y, part.width, part.height)
            return bytes(layer.get_buffer().get(rectangle, 1.0, SHOWN, Gegl.AbyssPolicy.NONE))


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
            place = client.patch_about((x, y), within, client.Size(LOOKED_AT, LOOKED_AT)).moved(-whole.x, -whole.y)
            rectangle = Gegl.Rectangle.new(place.x, place.y, place.width, place.height)
            seen = bytes(buffer.get(rectangle, 1.0, "Y'A u8", Gegl.AbyssPolicy.NONE))
            grey, alpha = seen[::2], seen[1::2]
            # Differences of neighbours: in a blurred place they are small, however large its contrast.
            steps = sum(abs(one - other) for one, other, seen in zip(grey, grey[1:], alpha, strict=False) if seen)
            if steps > best:
                best, found = steps, (x, y)
    return found
