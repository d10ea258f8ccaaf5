"""Krita's windows and views: messages, what is in front, the active layer, waiting for Krita's event loop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

from . import guides
from .documents import Document, Node, find_node, is_open, krita
from .qt import QtCore, QtWidgets, execute

SOON = 100  # milliseconds between looks at the active node
LOOKS = 30
LOOKS_WITHOUT_OUTERMOST = 20  # of them, from which on a script's own event loop must do
PATIENCE = 3.0  # seconds for Krita's event loop to carry out what it was asked


def main_window() -> Any:
    """Return the active window's widget, or None: what dialogs have as their parent."""
    window = krita().activeWindow()
    return window.qwindow() if window is not None else None


def selected_nodes(document: Document) -> list[Node]:
    """Return the nodes that are selected in the Layers docker, or the active one where they do not hold it."""
    active, window = document.activeNode(), krita().activeWindow()
    view = window.activeView() if window is not None else None
    selected = view.selectedNodes() if view is not None and view.document() == document else []
    held = any(_identity(each) == _identity(active) for each in selected)
    return selected if held else [active] if active is not None else []


def float_message(text: str, seconds: float = 6.0) -> None:
    """Show a text over the canvas for a while; it takes no click to go away."""
    window = krita().activeWindow()
    view = window.activeView() if window is not None else None
    if view is not None:
        view.showFloatingMessage(text, krita().icon("dialog-information"), int(seconds * 1000), 1)


def show(document: Document) -> None:
    """Open a view of the document in the active window."""
    window = krita().activeWindow()
    if window is not None:
        document.refreshProjection()
        window.addView(document)


def show_guides(document: Document) -> bool:
    """Show the document's guides, so that they are scaled with it; False when there are none or they are shown."""
    if not guides.of(document).hidden:
        return False
    guides.show(document, True)
    settle()
    return True


def hide(document: Document, node: Node) -> bool:
    """Hide a node of a shown document in a step that can be undone; False when only the other way was possible."""
    if not node.visible():
        return True
    with _in_front(document) as in_front:
        if in_front and _activate_node(document, node):
            krita().action("toggle_layer_visibility").trigger()
            if wait_until(lambda: not node.visible()):
                document.waitForDone()
                return True
    if is_open(document):
        node.setVisible(False)
        document.refreshProjection()
    return False


def activate_soon(document: Document, node: Node) -> None:
    """Make a node that was just added the active one, as soon as Krita's outermost event loop has seen it.

    Asked earlier, Krita complains. Until then the user may have undone it, closed the document or chosen another layer.
    """
    identity, before = node.uniqueId(), _identity(document.activeNode())
    seen = []  # one look in the outermost event loop is not enough: Krita's own events may wait behind it

    def look(looks: int) -> None:
        added = find_node(document, identity)
        if added is None or looks == 0:
            return
        active = _identity(document.activeNode())
        if active == identity or active not in (before, None):
            return
        if QtCore.QThread.currentThread().loopLevel() <= 1:
            seen.append(looks)
        if len(seen) > 1 or looks <= LOOKS_WITHOUT_OUTERMOST:
            document.setActiveNode(added)
        QtCore.QTimer.singleShot(SOON, lambda: look(looks - 1))

    QtCore.QTimer.singleShot(SOON, lambda: look(LOOKS))


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


@contextlib.contextmanager
def _in_front(document: Document) -> Iterator[bool]:
    """Have a view of the document in front in this block, then the one that was; yield whether it succeeded."""
    active = krita().activeDocument()
    areas = [] if active is not None and active == document else _areas()
    before = [area.activeSubWindow() for area in areas]
    try:
        yield not areas or any(_brought_forward(area, document) for area in areas)
    finally:
        for area, page in zip(areas, before, strict=True):
            if page in area.subWindowList():
                area.setActiveSubWindow(page)


def _brought_forward(area: Any, document: Document) -> bool:
    for page in area.subWindowList():
        area.setActiveSubWindow(page)
        if krita().activeDocument() == document:
            return True
    return False


def _areas() -> list[Any]:
    kind = QtWidgets.QMdiArea
    return [area for window in krita().windows() for area in window.qwindow().findChildren(kind)]


def _activate_node(document: Document, node: Node) -> bool:
    if document.activeNode() == node:
        return True
    settle()
    found = find_node(document, node.uniqueId())  # the event loop ran: the user may have been quicker
    if found is None:
        return False
    document.setActiveNode(found)
    return wait_until(lambda: not is_open(document) or document.activeNode() == found) and is_open(document)


def _identity(node: Node | None) -> object:
    return node.uniqueId() if node is not None else None
