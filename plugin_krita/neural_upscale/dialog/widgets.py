"""The preview's two pictures: a patch before and after with a divider to move, and a thumbnail to choose the patch on.

Both are drawn in the screen's own pixels and can be used with the mouse and with the arrow keys.
"""

from __future__ import annotations

import math

from .. import client
from ..client import Region
from ..host.qt import QtCore, QtGui, QtWidgets
from ..i18n import _
from . import painting

SMALLEST = QtCore.QSize(300, 170)  # of the divided view
THUMBNAIL = client.Size(160, 120)
STEP = 0.02  # of the view's width, with an arrow key


class DividedView(QtWidgets.QWidget):
    """Shows the patch as Krita enlarges it left of the divider, as the network does right of it."""

    resized = QtCore.pyqtSignal()

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("neural_upscale_divided")
        self.setMinimumSize(SMALLEST)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setCursor(QtGui.QCursor(QtCore.Qt.CursorShape.SplitHCursor))
        self.setToolTip(
            _("Left of the line: Krita's own scaling; right: the model. Drag the line, or press Left and Right.")
        )
        self.setAccessibleName(_("Preview before and after"))
        self._busy = QtWidgets.QProgressBar(self)
        self._busy.setRange(0, 0)
        self._busy.setTextVisible(False)
        self._busy.setFixedHeight(6)
        self._busy.hide()
        self.before: QtGui.QImage | None = None
        self.after: QtGui.QImage | None = None
        self.note = ""
        self.divider = 0.5
        self.zoom = 1  # the screen's pixels for one pixel of the result

    def room(self) -> client.Size:
        """Return how many pixels of the result can be seen, cut ones too."""
        scale = self.devicePixelRatioF() / self.zoom
        return client.Size(math.ceil(self.width() * scale), math.ceil(self.height() * scale))

    def show_before(self, picture: QtGui.QImage) -> None:
        """Show a new patch; what was on the right is outdated."""
        self.before, self.after = picture, None
        self.update()

    def show_after(self, picture: QtGui.QImage) -> None:
        """Show the network's patch."""
        self.after = picture
        self.show_note("")

    def show_note(self, note: str, busy: bool = False) -> None:
        """Show a sentence on the right in place of a patch; `busy` while something is waited for."""
        self.note = note
        self._busy.setVisible(busy)
        self.update()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Ask for a patch that fills the new size."""
        super().resizeEvent(event)
        self._busy.setGeometry(self.width() * 3 // 4 - 50, self.height() * 3 // 4, 100, 6)
        self.resized.emit()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802, ARG002 (Qt's)
        """Draw ground, both patches, the divider and the note."""
        painter = QtGui.QPainter(self)
        painting.chequer(painter, self.rect())
        split = round(self.width() * self.divider)
        right = QtCore.QRect(split, 0, self.width() - split, self.height())
        if self.before is not None:
            painting.picture(painter, self.rect(), self.before, self.zoom)
        if self.after is not None:
            painter.setClipRect(right)
            painting.chequer(painter, right)
            painting.picture(painter, self.rect(), self.after, self.zoom)
            painter.setClipping(False)
        if self.note:
            painting.note(painter, right, self.note)
        painting.line(painter, QtCore.QLineF(split, 0, split, self.height()))
        painting.caption(painter, QtCore.QRect(0, 0, split, self.height()), _("before"), left=True)
        painting.caption(painter, right, _("after"), left=False)
        if self.hasFocus():
            painting.focus(painter, self.rect())

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802 (Qt's)
        """Move the divider to the pointer."""
        self.mouseMoveEvent(event)

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802 (Qt's)
        """Move the divider with the pointer."""
        self._divide(event.pos().x() / self.width())

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:  # noqa: N802 (Qt's)
        """Move the divider with the arrow keys, Home and End."""
        keys = QtCore.Qt.Key
        places = {
            keys.Key_Left: self.divider - STEP,
            keys.Key_Right: self.divider + STEP,
            keys.Key_Home: 0.0,
            keys.Key_End: 1.0,
        }
        if event.key() in places:
            self._divide(places[event.key()])
        else:
            super().keyPressEvent(event)

    def _divide(self, place: float) -> None:
        self.divider = min(1.0, max(0.0, place))
        self.update()


class Thumbnail(QtWidgets.QWidget):
    """Shows the whole canvas and the patch's place; asks for another place with `picked` (column, row)."""

    picked = QtCore.pyqtSignal(int, int)

    def __init__(self, picture: QtGui.QImage, canvas: Region, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("neural_upscale_thumbnail")
        ratio = picture.devicePixelRatio()
        self.setFixedSize(max(1, round(picture.width() / ratio)), max(1, round(picture.height() / ratio)))
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self.setToolTip(_("Click or drag to look at another place, or press the arrow keys."))
        self.setAccessibleName(_("Place of the preview"))
        self._picture, self._canvas = picture, canvas
        self.patch = Region(0, 0, 0, 0)

    def show_patch(self, patch: Region) -> None:
        """Frame the patch that is previewed."""
        self.patch = patch
        self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802, ARG002 (Qt's)
        """Draw the canvas and the frame."""
        painter = QtGui.QPainter(self)
        painting.chequer(painter, self.rect())
        painter.drawImage(0, 0, self._picture)
        across, down = self.width() / self._canvas.width, self.height() / self._canvas.height
        patch = self.patch
        painting.frame(
            painter, QtCore.QRectF(patch.x * across, patch.y * down, patch.width * across, patch.height * down)
        )
        if self.hasFocus():
            painting.focus(painter, self.rect())

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802 (Qt's)
        """Ask for the place under the pointer."""
        self.mouseMoveEvent(event)

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802 (Qt's)
        """Ask for the place that the pointer is dragged to."""
        point = float(event.pos().x()), float(event.pos().y())
        self.picked.emit(*client.pointed_at(point, client.Size(self.width(), self.height()), self._canvas))

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:  # noqa: N802 (Qt's)
        """Ask for a place beside the present one with the arrow keys."""
        keys = QtCore.Qt.Key
        moves = {keys.Key_Left: (-1, 0), keys.Key_Right: (1, 0), keys.Key_Up: (0, -1), keys.Key_Down: (0, 1)}
        if event.key() not in moves:
            super().keyPressEvent(event)
            return
        across, down = moves[event.key()]
        column, row = self.patch.centre
        self.picked.emit(column + across * max(1, self.patch.width // 4), row + down * max(1, self.patch.height // 4))
