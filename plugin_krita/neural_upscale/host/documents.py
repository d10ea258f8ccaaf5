"""Documents and layers, and the pixels in them: a thin wrapper round Krita's own calls."""

from __future__ import annotations

from typing import Any

from krita import Krita, ManagedColor

from .. import client
from ..client import Region
from ..errors import EditorFailed
from ..i18n import _
from .colour import EXCHANGE, ColourSpace
from .qt import borrowed

SETTINGS_GROUP = "neural_upscale"
PAINTED = "paintlayer"
SCALING = "Bicubic"

Document = Any
Node = Any


def krita() -> Any:
    """Return Krita's application object."""
    return Krita.instance()


def read_setting(name: str, default: str = "") -> str:
    """Read a text that `write_setting` kept in Krita's own settings file."""
    return str(krita().readSetting(SETTINGS_GROUP, name, default))


def write_setting(name: str, text: str) -> None:
    """Keep a text in Krita's own settings file."""
    krita().writeSetting(SETTINGS_GROUP, name, text)


def is_open(document: Document) -> bool:
    """Return whether the document has not been closed."""
    return any(each == document for each in krita().documents())


def find_node(document: Document, identity: Any) -> Node | None:
    """Return the document's node with that unique id; None when it is gone or the document is closed."""
    return document.nodeByUniqueID(identity) if is_open(document) else None


def canvas(document: Document) -> Region:
    """Return the document's canvas."""
    return Region(0, 0, document.width(), document.height())


def bounds(node: Node) -> Region:
    """Return the smallest rectangle that holds all pixels of the node that are not transparent."""
    found = node.bounds()
    return Region(found.x(), found.y(), found.width(), found.height())


def space_of(node: Node) -> ColourSpace:
    """Return the node's colour space."""
    return ColourSpace(node.colorModel(), node.colorDepth(), node.colorProfile())


def read_pixels(node: Node, region: Region) -> bytes:
    """Read pixels in the node's own colour space, rows without padding; transparent outside of the node.

    Args:
        node: a paint layer or mask, or a layer whose projection is wanted.
        region: where, in document pixels.

    Returns:
        The bytes; a mask has one a pixel.

    Raises:
        EditorFailed: Krita gave another number of bytes.
    """
    read = node.pixelData if node.type() == PAINTED or node.type().endswith("mask") else node.projectionPixelData
    pixels = bytes(read(region.x, region.y, region.width, region.height))
    expected = region.width * region.height * space_of(node).bytes_per_pixel
    if len(pixels) != expected:
        text = _(
            "Krita gave {given} bytes for the layer '{name}' ({space}), expected {expected}; convert it to a paint "
            "layer (Layer → Convert) and try again."
        )
        raise EditorFailed(text.format(given=len(pixels), name=node.name(), space=space_of(node), expected=expected))
    return pixels


def write_pixels(node: Node, region: Region, pixels: bytes | bytearray) -> None:
    """Write pixels into a node that is in no document yet (the package says why).

    Args:
        node: the node.
        region: where, in document pixels.
        pixels: rows without padding, in the node's colour space.

    Raises:
        EditorFailed: the number of bytes is not that of the region; Krita would only log it.
    """
    expected = region.width * region.height * space_of(node).bytes_per_pixel
    if len(pixels) != expected:
        text = _("{given} bytes came for {region} in {space}, expected {expected}.")
        raise EditorFailed(text.format(given=len(pixels), region=region, space=space_of(node), expected=expected))
    if expected:
        node.setPixelData(borrowed(pixels), region.x, region.y, region.width, region.height)


def middle_grey(space: ColourSpace) -> float:
    """Return what a neutral 0.5 in this colour space is on the sRGB curve (0…1), by Krita's own colour management."""
    colour = ManagedColor(space.model, space.depth, space.profile)
    colour.setComponents([0.5] * (len(colour.components()) - 1) + [1.0])
    colour.setColorSpace(EXCHANGE.model, EXCHANGE.depth, EXCHANGE.profile)
    return float(colour.components()[1])


def scale_document(document: Document, size: client.Size) -> None:
    """Scale the whole document as the user's own Image → Scale would; one step to undo."""
    document.scaleImage(size.width, size.height, round(document.xRes()), round(document.yRes()), SCALING)
    document.waitForDone()
    if (document.width(), document.height()) != (size.width, size.height):
        text = _("Krita did not scale the document to {width}×{height}; nothing was changed.")
        raise EditorFailed(text.format(width=size.width, height=size.height))


def new_document(name: str, size: client.Size, space: ColourSpace, resolution: float) -> Document:
    """Make an empty document that no window shows yet; resolution in pixels per inch."""
    made = krita().createDocument(size.width, size.height, name, *space.words, resolution)
    if made is None:
        text = _("Krita could not make a document of {width}×{height} pixels in {space}.")
        raise EditorFailed(text.format(width=size.width, height=size.height, space=space))
    for node in made.topLevelNodes():
        node.remove()
    return made


def new_paint_layer(document: Document, name: str, space: ColourSpace) -> Node:
    """Make a paint layer for the document, in the given colour space, in no document yet."""
    node = document.createNode(name, PAINTED)
    if space_of(node) != space and not node.setColorSpace(*space.words):
        raise EditorFailed(_("Krita could not make a layer in {space}.").format(space=space))
    return node
