"""What Krita does with pixels for us in hidden documents: converting, enlarging, showing. Main thread only."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from .. import client
from ..client import Region
from ..errors import EditorFailed
from ..i18n import _
from . import documents
from .colour import ColourSpace
from .qt import QtGui


@contextlib.contextmanager
def scratch(
    size: client.Size, space: ColourSpace, pixels: bytes | bytearray, place: Region | None = None
) -> Iterator[tuple[documents.Document, documents.Node]]:
    """Yield a hidden document with one paint layer that holds the pixels, at `place` or all over; closed afterwards."""
    document = documents.new_document("neural-upscale-scratch", size, space, 72.0)
    try:
        node = documents.new_paint_layer(document, "pixels", space)
        documents.write_pixels(node, place or Region(0, 0, size.width, size.height), pixels)
        document.rootNode().addChildNode(node, None)
        document.waitForDone()
        yield document, node
    finally:
        document.waitForDone()
        document.setModified(False)
        document.close()


def convert(
    pixels: bytes | bytearray, size: client.Size, source: ColourSpace, target: ColourSpace
) -> bytes | bytearray:
    """Convert pixels from one colour space to another, as Krita converts a layer."""
    if source == target:
        return pixels
    with scratch(size, source, pixels) as (_unused, node):
        if not node.setColorSpace(*target.words):
            text = _("Krita could not convert {source} to {target}.")
            raise EditorFailed(text.format(source=source, target=target))
        return documents.read_pixels(node, Region(0, 0, size.width, size.height))


def enlarge(pixels: bytes | bytearray, size: client.Size, space: ColourSpace, result: client.Size) -> bytes:
    """Enlarge pixels to the size of `result` with Krita's own cubic filter."""
    with scratch(size, space, pixels) as (document, node):
        documents.scale_document(document, result)
        return documents.read_pixels(node, documents.canvas(document))


def enlarge_part(
    pixels: bytes | bytearray, region: Region, space: ColourSpace, enlargement: client.Enlargement, part: Region
) -> bytes:
    """Enlarge pixels as Krita would do it with the whole document.

    Args:
        pixels: of `region`, in the colour space.
        region: where they lie.
        space: their colour space.
        enlargement: of the document.
        part: the place in the result that is wanted.

    Returns:
        The pixels of `part`; what `region` does not reach is transparent.
    """
    frame = enlargement.aligned(region)  # on whole pixels, or the filter would look at other places
    after = enlargement.of(frame)
    with scratch(frame.size, space, pixels, region.moved(-frame.x, -frame.y)) as (document, node):
        documents.scale_document(document, after.size)
        return documents.read_pixels(node, part.moved(-after.x, -after.y))


def picture(pixels: bytes | bytearray, size: client.Size, space: ColourSpace) -> QtGui.QImage:
    """Return pixels as a picture for the screen, colours managed by Krita (sRGB)."""
    with scratch(size, space, pixels) as (document, _unused):
        document.refreshProjection()
        document.waitForDone()
        return document.projection(0, 0, size.width, size.height)
