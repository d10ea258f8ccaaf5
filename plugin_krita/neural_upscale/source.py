"""Takes from the document what is to be enlarged, and can tell later whether that has changed. Main thread only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from . import client
from .client import CONTEXT, Region
from .errors import NothingToUpscale
from .host import documents, scratch
from .host.colour import EXCHANGE, ColourSpace, direct_format, is_linear

PROJECTED = ("grouplayer", "vectorlayer", "filelayer", "clonelayer", "filllayer")


@dataclass(frozen=True)
class Source:
    """What was taken.

    Attributes:
        document: Krita's document.
        document_name: its name; this and the next four serve to make a new one.
        canvas: its canvas.
        resolution: its resolution, pixels per inch.
        horizontal_guides: the rows of its guides, pixels.
        vertical_guides: the columns of its guides, pixels.
        node_id: the layer's unique id.
        name: the layer's name.
        space: the layer's colour space.
        bounds: the layer's pixels that are not transparent.
        region: what is sent; the bounds, or the selection with context.
        samples: of the whole layer, by which its cleanup is estimated.
        pixels: of `region`, in `space`; kept to find out later whether the layer has changed.
        linear: whether the profile is linear in light.
        selection: what the result is wanted for; None without a selection.
        mask: one byte a pixel of `selection`.
        painted: whether the layer has pixels of its own; otherwise its projection was taken.
        notices: sentences for the user.
    """

    document: Any
    document_name: str
    canvas: Region
    resolution: float
    horizontal_guides: tuple[float, ...]
    vertical_guides: tuple[float, ...]
    node_id: Any
    name: str
    space: ColourSpace
    bounds: Region
    region: Region
    samples: client.Samples
    pixels: bytes = field(repr=False)
    linear: bool
    selection: Region | None
    mask: bytes = field(repr=False)
    painted: bool
    notices: tuple[str, ...]

    @property
    def wanted(self) -> Region:
        """Return the part of the document that the result is for."""
        return self.selection or self.region

    @property
    def format(self) -> client.PixelFormat:
        """Return the format in which the pixels are sent."""
        return _sent_format(self.space, self.linear)

    @property
    def is_direct(self) -> bool:
        """Return whether the pixels are sent as they are; otherwise they go through EXCHANGE."""
        return direct_format(self.space, self.linear) is not None


def take(document: Any, node: Any) -> Source:
    """Take the layer, or its part around the document's selection.

    Args:
        document: Krita's document.
        node: the chosen layer, or None.

    Returns:
        All that the run needs to know of the document.
    """
    bounds = bounds_of(document, node)
    selection, mask = _selection(document, bounds, node.name())
    return _source(document, node, bounds, selection, mask)


def wanted_of(document: Any, node: Any) -> Region:
    """Return the place that `take` would be for, without reading any pixel of the layer."""
    bounds = bounds_of(document, node)
    return _selection(document, bounds, node.name())[0] or bounds


def take_patch(document: Any, node: Any, patch: Region) -> Source:
    """Take a patch with the context that the generator wants around it.

    Args:
        document: Krita's document.
        node: the layer.
        patch: inside of the layer's bounds.

    Returns:
        A source whose `wanted` is the patch.
    """
    return _source(document, node, bounds_of(document, node), patch, b"")


def bounds_of(document: Any, node: Any) -> Region:
    """Return the place of the layer's pixels.

    Args:
        document: Krita's document.
        node: the chosen layer, or None.

    Returns:
        The rectangle, not empty.

    Raises:
        NothingToUpscale: there is no layer, or no pixel in it.
    """
    if node is None:
        raise NothingToUpscale("No layer is chosen; choose one in the Layers docker.")
    if node.type() != documents.PAINTED and node.type() not in PROJECTED:
        raise NothingToUpscale(f"'{node.name()}' is a {node.type()}, which has no picture; choose a layer.")
    space = documents.space_of(node)
    if space.bytes_per_pixel == 0:
        raise NothingToUpscale(f"'{node.name()}' is in {space}, which is unknown here; convert it to RGB first.")
    document.waitForDone()  # what was done last may still be on its way into the pixels
    bounds = _extent(document, node)
    if bounds.is_empty:
        raise NothingToUpscale(f"The layer '{node.name()}' has 0 pixels; paint something, or choose another layer.")
    return bounds


def to_send(source: Source) -> bytes | bytearray:
    """Return the pixels in `source.format`."""
    return (
        source.pixels
        if source.is_direct
        else scratch.convert(source.pixels, source.region.size, source.space, EXCHANGE)
    )


def in_own_space(source: Source, answer: bytes | bytearray) -> bytes | bytearray:
    """Return the pixels that the server answered (`source.region` ×2) in the layer's colour space."""
    size = source.region.size.enlarged()
    return answer if source.is_direct else scratch.convert(answer, size, EXCHANGE, source.space)


def from_answer(source: Source, answer: bytes | bytearray) -> bytes | bytearray:
    """Return the same, cut to `source.wanted` ×2."""
    own = in_own_space(source, answer)
    wanted: bytes | bytearray = client.cut(
        own, source.region.doubled(), source.wanted.doubled(), source.space.bytes_per_pixel
    )
    return wanted


def is_unchanged(source: Source) -> bool:
    """Return whether the layer still is what was taken: same place, same size, same pixels."""
    node = documents.find_node(source.document, source.node_id)
    if node is None or documents.space_of(node) != source.space:
        return False
    # Compared byte by byte: they are here anyway, and a hash would hold up the window longer.
    return (
        _extent(source.document, node) == source.bounds and documents.read_pixels(node, source.region) == source.pixels
    )


def _extent(document: Any, node: Any) -> Region:
    # A fill layer covers the canvas, but reports no bounds.
    return documents.canvas(document) if node.type() == "filllayer" else documents.bounds(node)


def _source(document: Any, node: Any, bounds: Region, selection: Region | None, mask: bytes) -> Source:
    space, painted = documents.space_of(node), node.type() == documents.PAINTED
    region = bounds if selection is None else selection.grown(CONTEXT).intersected(bounds)
    linear = space.model in ("RGBA", "GRAYA") and is_linear(documents.middle_grey(space))
    return Source(
        document=document,
        document_name=document.name() or "Unnamed",
        canvas=documents.canvas(document),
        resolution=document.xRes(),
        horizontal_guides=tuple(document.horizontalGuides()),
        vertical_guides=tuple(document.verticalGuides()),
        node_id=node.uniqueId(),
        name=node.name(),
        space=space,
        bounds=bounds,
        region=region,
        samples=_samples(node, bounds, space, linear),
        pixels=documents.read_pixels(node, region),
        linear=linear,
        selection=selection,
        mask=mask,
        painted=painted,
        notices=_notices(node, space, painted),
    )


def _sent_format(space: ColourSpace, linear: bool) -> client.PixelFormat:
    exchanged = direct_format(EXCHANGE, linear=False)
    assert exchanged is not None  # EXCHANGE is chosen so
    return direct_format(space, linear) or exchanged


def _samples(node: Any, bounds: Region, space: ColourSpace, linear: bool) -> client.Samples:
    taken = client.take_samples(
        lambda region: documents.read_pixels(node, region.moved(bounds.x, bounds.y)),
        bounds.size,
        _sent_format(space, linear),
    )
    if direct_format(space, linear) is not None:
        return taken
    width = client.sampled_regions(bounds.size)[0].width
    one_column = client.Size(width, len(taken.pixels) // (width * space.bytes_per_pixel))
    return replace(taken, pixels=bytes(scratch.convert(taken.pixels, one_column, space, EXCHANGE)))


def _selection(document: Any, bounds: Region, name: str) -> tuple[Region | None, bytes]:
    found = document.selection()
    if found is None or found.width() <= 0 or found.height() <= 0:
        return None, b""
    region = Region(found.x(), found.y(), found.width(), found.height()).intersected(bounds)
    mask = bytes(found.pixelData(region.x, region.y, region.width, region.height)) if not region.is_empty else b""
    if not any(mask):
        raise NothingToUpscale(f"The selection holds no pixel of the layer '{name}'; select a part of it, or nothing.")
    return region, mask


def _notices(node: Any, space: ColourSpace, painted: bool) -> tuple[str, ...]:
    notices = []
    if direct_format(space, linear=False) is None:
        notices.append(f"The layer is {space.model}; it was converted to RGB and back, which changes colours slightly.")
    if not painted:
        notices.append(f"'{node.name()}' is a {node.type()}; the result is a paint layer of what it shows.")
    if node.animated():
        notices.append("The layer is animated; only the current frame was enlarged.")
    return tuple(notices)
