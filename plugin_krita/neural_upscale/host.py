"""The one thin wrapper round Krita's scripting interface: the only module that knows its quirks.

What was learned in real Krita 5.2 and shapes this module:
- `setPixelData` cannot be undone, and on a node that an undoable step has touched it breaks that step's undo. So pixels
  are only ever written into a node that is not in the document yet; `addChildNode` is the step that can be undone.
- `setVisible` cannot be undone either, the menu's action can; it works on the active node of the active view.
- A node that was just added can be made the active one only after Krita's outermost event loop has run.
- `Window.showView` and `setActiveDocument` do not bring a document to the front; its sub-window in the QMdiArea does.
- Group, vector, file and clone layers have no pixels of their own, but a projection.
- An empty profile name is understood by `createDocument`, but not by `setColorSpace`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from krita import Krita, ManagedColor

from .colour import EXCHANGE, ColourSpace
from .errors import EditorFailed
from .qt import QtCore, QtWidgets, execute
from .shared import Region, client

SETTINGS_GROUP = "neural_upscale"
PAINTED = "paintlayer"
SCALING = "Bicubic"
SOON = 250  # milliseconds between looks at the active node
LOOKS_BEFORE_ASKING = 9
PATIENCE = 3.0  # seconds for Krita's event loop to carry out what it was asked

Document = Any
Node = Any


def krita() -> Any:
    """Give Krita's application object."""
    return Krita.instance()


def main_window() -> Any:
    """Give the active window's widget, or None: what dialogs have as their parent."""
    window = krita().activeWindow()
    return window.qwindow() if window is not None else None


def float_message(text: str, seconds: float = 6.0) -> None:
    """Show a text over the canvas for a while; it takes no click to go away."""
    window = krita().activeWindow()
    view = window.activeView() if window is not None else None
    if view is not None:
        view.showFloatingMessage(text, krita().icon("dialog-information"), int(seconds * 1000), 1)


def read_setting(name: str, default: str = "") -> str:
    """Read a text that `write_setting` kept in Krita's own settings file."""
    return str(krita().readSetting(SETTINGS_GROUP, name, default))


def write_setting(name: str, text: str) -> None:
    """Keep a text in Krita's own settings file."""
    krita().writeSetting(SETTINGS_GROUP, name, text)


def is_open(document: Document) -> bool:
    """Say whether the document has not been closed."""
    return any(each == document for each in krita().documents())


def find_node(document: Document, identity: Any) -> Node | None:
    """Give the document's node with that unique id; None when it is gone or the document is closed."""
    return document.nodeByUniqueID(identity) if is_open(document) else None


def canvas(document: Document) -> Region:
    """Give the document's canvas."""
    return Region(0, 0, document.width(), document.height())


def bounds(node: Node) -> Region:
    """Give the smallest rectangle that holds all pixels of the node that are not transparent."""
    found = node.bounds()
    return Region(found.x(), found.y(), found.width(), found.height())


def space_of(node: Node) -> ColourSpace:
    """Give the node's colour space."""
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
        raise EditorFailed(
            f"Krita gave {len(pixels)} bytes for the layer '{node.name()}' ({space_of(node)}), expected {expected}; "
            "convert the layer to a paint layer (Layer → Convert) and try again."
        )
    return pixels


def write_pixels(node: Node, region: Region, pixels: bytes | bytearray) -> None:
    """Write pixels into a node that is in no document yet (see above why).

    Args:
        node: the node.
        region: where, in document pixels.
        pixels: rows without padding, in the node's colour space.

    Raises:
        EditorFailed: the number of bytes is not that of the region; Krita would only log it.
    """
    expected = region.width * region.height * space_of(node).bytes_per_pixel
    if len(pixels) != expected:
        raise EditorFailed(f"{len(pixels)} bytes came for {region} in {space_of(node)}, expected {expected}.")
    if expected:
        node.setPixelData(QtCore.QByteArray(pixels), region.x, region.y, region.width, region.height)


def middle_grey(space: ColourSpace) -> float:
    """Say what a neutral 0.5 in this colour space is on the sRGB curve (0…1), by Krita's own colour management."""
    colour = ManagedColor(space.model, space.depth, space.profile)
    colour.setComponents([0.5] * (len(colour.components()) - 1) + [1.0])
    colour.setColorSpace(EXCHANGE.model, EXCHANGE.depth, EXCHANGE.profile)
    return float(colour.components()[1])


def scale_document(document: Document, size: client.Size) -> None:
    """Scale the whole document as the user's own Image → Scale would; one step to undo."""
    document.scaleImage(size.width, size.height, round(document.xRes()), round(document.yRes()), SCALING)
    document.waitForDone()
    if (document.width(), document.height()) != (size.width, size.height):
        raise EditorFailed(f"Krita did not scale the document to {size.width}×{size.height}; nothing was changed.")


def new_document(name: str, size: client.Size, space: ColourSpace, resolution: float) -> Document:
    """Make an empty document that no window shows yet; resolution in pixels per inch."""
    made = krita().createDocument(size.width, size.height, name, *space.words, resolution)
    if made is None:
        raise EditorFailed(f"Krita could not make a document of {size.width}×{size.height} pixels in {space}.")
    for node in made.topLevelNodes():
        node.remove()
    return made


def new_paint_layer(document: Document, name: str, space: ColourSpace) -> Node:
    """Make a paint layer for the document, in the given colour space, in no document yet."""
    node = document.createNode(name, PAINTED)
    if space_of(node) != space and not node.setColorSpace(*space.words):
        raise EditorFailed(f"Krita could not make a layer in {space}.")
    return node


def show(document: Document) -> None:
    """Give the document a view in the active window."""
    window = krita().activeWindow()
    if window is not None:
        document.refreshProjection()
        window.addView(document)


def hide(document: Document, node: Node) -> bool:
    """Hide a node of a shown document in a step that can be undone; False when only the other way was possible."""
    if not node.visible():
        return True
    if _activate_view(document) and _activate_node(document, node):
        krita().action("toggle_layer_visibility").trigger()
        if wait_until(lambda: not node.visible()):
            document.waitForDone()
            return True
    node.setVisible(False)
    document.refreshProjection()
    return False


def activate_soon(document: Document, node: Node, looks: int = 12) -> None:
    """Make a node that was just added the active one, as soon as Krita's outermost event loop has seen it.

    Mostly Krita does so by itself; asked too early, it complains. So it is asked only when a second has passed.
    """

    def look() -> None:
        if looks == 0 or not is_open(document) or document.activeNode() == node:
            return
        if looks < LOOKS_BEFORE_ASKING:
            document.setActiveNode(node)
        activate_soon(document, node, looks - 1)

    QtCore.QTimer.singleShot(SOON, look)


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Let Krita's event loop run until the condition holds; False when it did not in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        settle(0.02)
    return True


def settle(seconds: float = 0.1) -> None:
    """Let Krita's event loop run for a moment."""
    loop = QtCore.QEventLoop()
    QtCore.QTimer.singleShot(int(seconds * 1000), loop.quit)
    execute(loop)


def _activate_view(document: Document) -> bool:
    active = krita().activeDocument()
    if active is not None and active == document:
        return True
    for window in krita().windows():
        for area in window.qwindow().findChildren(QtWidgets.QMdiArea):
            for page in area.subWindowList():
                area.setActiveSubWindow(page)
                if krita().activeDocument() == document:
                    return True
    return False


def _activate_node(document: Document, node: Node) -> bool:
    if document.activeNode() == node:
        return True
    settle()
    document.setActiveNode(node)
    return wait_until(lambda: document.activeNode() == node)
