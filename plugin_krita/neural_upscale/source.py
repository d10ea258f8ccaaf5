"""Takes from the document what is to be enlarged, and can tell later whether that has changed. Main thread only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from . import client
from .client import Enlargement, Region, Size
from .errors import NothingToUpscale
from .host import documents, guides, scratch
from .host.colour import EXCHANGE, ColourSpace, direct_format, is_linear
from .host.guides import Guides
from .i18n import _
from .layers import Look, bounds_of, extent, kind_of


@dataclass(frozen=True)
class Source:
    """What was taken."""

    document: Any  # Krita's document
    document_name: str  # its name; this and the next three serve to make a new one
    canvas: Region  # its canvas
    resolution: float  # its resolution, pixels per inch
    guides: Guides  # its guides
    node_id: Any  # the layer's unique id
    name: str  # the layer's name
    look: Look  # how the layer was shown
    # the layer with its masks and metadata as they were, in no document; None for a layer without pixels of its own
    # or with frames
    copy: Any
    space: ColourSpace  # the layer's colour space
    bounds: Region  # the layer's pixels that are not transparent
    region: Region  # what is sent; the bounds, or the selection with context
    enlargement: Enlargement  # where it lies in the result
    label: str  # what names of results end with, for example "x2"
    samples: client.Samples  # of the whole layer, by which its cleanup is estimated
    pixels: bytes = field(repr=False)  # of `region`, in `space`; kept to find out later whether the layer has changed
    linear: bool  # whether the profile is linear in light
    selection: Region | None  # what the result is wanted for; None without a selection
    mask: bytes = field(repr=False)  # one byte a pixel of `selection`
    painted: bool  # whether the layer has pixels of its own; otherwise its projection was taken
    notices: tuple[str, ...]  # sentences for the user

    @property
    def wanted(self) -> Region:
        """Return the part of the document that the result is for."""
        return self.selection or self.region

    @property
    def target(self) -> Region:
        """Return where the result lies."""
        return self.enlargement.of(self.wanted)

    @property
    def asked(self) -> Region:
        """Return where `region` lies, enlarged."""
        return self.enlargement.of(self.region)

    @property
    def format(self) -> client.PixelFormat:
        """Return the format in which the pixels are sent."""
        return _sent_format(self.space, self.linear)

    @property
    def is_direct(self) -> bool:
        """Return whether the pixels are sent as they are; otherwise they go through EXCHANGE."""
        return direct_format(self.space, self.linear) is not None


@dataclass(frozen=True)
class Result:
    """What was made of it."""

    source: Source  # what was taken
    pixels: bytes | bytearray = field(repr=False)  # of `source.target`, in the layer's colour space


def take(document: Any, node: Any, enlargement: Enlargement, label: str) -> Source:
    """Take the layer, or its part around the document's selection.

    Args:
        document: Krita's document.
        node: the chosen layer.
        enlargement: where its result lies.
        label: what names of results end with.

    Returns:
        All that the run needs to know of the document.
    """
    bounds = bounds_of(document, node)
    selection, mask = _selection(document, bounds, node.name())
    source = _source(document, node, bounds, enlargement, label, selection, mask)
    keeps = source.painted and not node.animated()
    return replace(source, copy=node.duplicate() if keeps else None)


def wanted_of(document: Any, node: Any) -> Region:
    """Return the place that `take` would be for, without reading any pixel of the layer."""
    bounds = bounds_of(document, node)
    return _selection(document, bounds, node.name())[0] or bounds


def has_selection(document: Any) -> bool:
    """Return whether a part of the document is selected."""
    found = document.selection()
    return found is not None and found.width() > 0 and found.height() > 0


def take_patch(document: Any, node: Any, patch: Region, result: Size) -> Source:
    """Take a patch with the context that the generator wants around it.

    Args:
        document: Krita's document.
        node: the layer.
        patch: inside of the layer's bounds.
        result: its size, enlarged.

    Returns:
        A source whose `wanted` is the patch.
    """
    enlargement = Enlargement(patch, Region(0, 0, result.width, result.height))
    return _source(document, node, bounds_of(document, node), enlargement, "", patch, b"")


def is_unchanged(source: Source) -> bool:
    """Return whether the layer still is what was taken: same place, same size, same pixels."""
    node = documents.find_node(source.document, source.node_id)
    if node is None or documents.space_of(node) != source.space:
        return False
    # Compared byte by byte: they are here anyway, and a hash would hold up the window longer.
    return (
        extent(source.document, node) == source.bounds and documents.read_pixels(node, source.region) == source.pixels
    )


def _source(
    document: Any,
    node: Any,
    bounds: Region,
    enlargement: Enlargement,
    label: str,
    selection: Region | None,
    mask: bytes,
) -> Source:
    space, painted = documents.space_of(node), node.type() == documents.PAINTED
    region = bounds if selection is None else enlargement.with_context(selection, bounds)
    linear = space.model in ("RGBA", "GRAYA") and is_linear(documents.middle_grey(space))
    return Source(
        document=document,
        document_name=PurePath(document.fileName()).stem or document.name() or _("Unnamed"),
        canvas=documents.canvas(document),
        resolution=document.xRes(),
        guides=guides.of(document),
        node_id=node.uniqueId(),
        name=node.name(),
        look=Look.of(node),
        copy=None,
        space=space,
        bounds=bounds,
        region=region,
        enlargement=enlargement,
        label=label,
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
    one_column = Size(width, len(taken.pixels) // (width * space.bytes_per_pixel))
    return replace(taken, pixels=bytes(scratch.convert(taken.pixels, one_column, space, EXCHANGE)))


def _selection(document: Any, bounds: Region, name: str) -> tuple[Region | None, bytes]:
    if not has_selection(document):
        return None, b""
    found = document.selection()
    region = Region(found.x(), found.y(), found.width(), found.height()).intersected(bounds)
    mask = bytes(found.pixelData(region.x, region.y, region.width, region.height)) if not region.is_empty else b""
    if not any(mask):
        text = _("The selection holds no pixel of the layer '{name}'; select a part of it, or nothing.")
        raise NothingToUpscale(text.format(name=name))
    return region, mask


def _notices(node: Any, space: ColourSpace, painted: bool) -> tuple[str, ...]:
    notices = []
    if direct_format(space, linear=False) is None:
        text = _("The network knows RGB and grey only, so what it adds to the layer was converted to {model}.")
        notices.append(text.format(model=space.model.removesuffix("A")))
    if not painted:
        text = _("'{name}' is a {kind}; the result is a paint layer of what it shows.")
        notices.append(text.format(name=node.name(), kind=kind_of(node)))
    if node.animated():
        notices.append(_("The layer is animated; only the current frame was enlarged."))
    return tuple(notices)
