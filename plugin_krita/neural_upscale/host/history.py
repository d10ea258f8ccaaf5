"""Joins several of Krita's undo steps to one, which its scripting interface cannot.

Krita's Undo History docker lists the steps of the document in front, even while it is closed. When one of a run's steps
is undone or redone, whichever way, the others follow.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from .documents import Document, is_open, krita
from .qt import QtCore, QtWidgets
from .views import wait_until

PAUSE = 20  # milliseconds between two steps, in which Krita's event loop runs
PATIENCE = 60.0  # seconds for all steps of a run


@dataclass
class Joined:
    """The steps of one run."""

    document: Document
    names: list[str]  # of all steps up to the last of them
    first: int  # the row before them
    done: bool = True  # whether they are done, rather than undone

    @property
    def last(self) -> int:
        """Return the row of the last step."""
        return len(self.names) - 1


class History(QtCore.QObject):
    """Keeps the joined steps, and follows the user through them."""

    def __init__(self) -> None:
        super().__init__()
        self._joined: list[Joined] = []
        self._watched: list[Any] = []  # the lists of steps that were connected, one a window
        self._moving: tuple[Joined, int, float] | None = None  # the steps, the row to reach, until when
        self._timer = QtCore.QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._move)

    @property
    def moving(self) -> bool:
        """Return whether steps are being undone or redone right now."""
        return self._moving is not None

    def row(self, document: Document) -> int | None:
        """Return the row of the document's last step; None where Krita does not tell."""
        found = _list_of(document)
        return None if found is None else int(found.selectionModel().currentIndex().row())

    def join(self, document: Document, first: int | None, count: int) -> bool:
        """Make one step of the last ones.

        Args:
            document: Krita's document.
            first: `row()` before them.
            count: how many they must be.

        Returns:
            Whether that was possible.
        """
        steps = _list_of(document)
        if steps is None or first is None:
            return False
        last = first + count
        if not wait_until(lambda: self.row(document) in (None, last)) or self.row(document) is None:
            return False
        kept = (each for each in self._joined if is_open(each.document))
        self._joined = [each for each in kept if each.document != document or each.last <= first]
        self._joined.append(Joined(document, _names(steps, last), first))
        if steps not in self._watched:
            self._watched.append(steps)
            steps.selectionModel().currentChanged.connect(self._look_soon)
        return True

    def _look_soon(self) -> None:
        if self._moving is None:  # Krita is in the middle of its own work: look when it has ended
            QtCore.QTimer.singleShot(0, self._look)

    def _look(self) -> None:
        document = krita().activeDocument()
        row = self.row(document) if document is not None and self._moving is None else None
        if row is None:
            return
        for each in self._joined:
            if each.document == document and _names(_list_of(document), each.last) == each.names:
                if each.first < row < each.last:
                    self._moving = each, each.first if each.done else each.last, time.monotonic() + PATIENCE
                    self._move()
                    return
                each.done = row >= each.last

    def _move(self) -> None:
        if self._moving is None:
            return
        joined, goal, until = self._moving
        row = self.row(joined.document) if is_open(joined.document) else None
        back = goal == joined.first
        if row is None or time.monotonic() > until or (row <= goal if back else row >= goal):
            self._moving, joined.done = None, not back
            return
        joined.document.waitForDone()
        if joined.document.tryBarrierLock():  # Krita drops an Undo that comes while it still draws
            joined.document.unlock()
            krita().action("edit_undo" if back else "edit_redo").trigger()
        self._timer.start(PAUSE)


HISTORY = History()


def _list_of(document: Document) -> Any:
    """Return the list of the document's steps; None unless the document is in front."""
    window = krita().activeWindow()
    if window is None or krita().activeDocument() != document:
        return None
    lists = window.qwindow().findChildren(QtWidgets.QListView)
    return next((each for each in lists if each.metaObject().className() == "KisUndoView"), None)


def _names(steps: Any, last: int) -> list[str]:
    model = steps.model()
    return [str(model.data(model.index(row, 0))) for row in range(min(last + 1, model.rowCount()))]
