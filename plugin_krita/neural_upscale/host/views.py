"""Krita's windows and views: messages, what is in front, the active layer, waiting for Krita's event loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .documents import Document, Node, is_open, krita
from .qt import QtCore, QtWidgets, execute

SOON = 250  # milliseconds between looks at the active node
LOOKS_BEFORE_ASKING = 9
PATIENCE = 3.0  # seconds for Krita's event loop to carry out what it was asked


def main_window() -> Any:
    """Return the active window's widget, or None: what dialogs have as their parent."""
    window = krita().activeWindow()
    return window.qwindow() if window is not None else None


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
    if document.guidesVisible() or not (document.horizontalGuides() or document.verticalGuides()):
        return False
    document.setGuidesVisible(True)
    settle()
    return True


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
