"""The preview's two pictures: a patch before and after with a divider to drag, and a thumbnail to click on."""

from __future__ import annotations

from .. import client
from ..client import Region
from ..host.qt import QtCore, QtGui, QtWidgets

CHECK = 8  # pixels of the chequered ground under transparent pixels
SIDE = 2 * client.PATCH_SIDE
THUMBNAIL = client.Size(SIDE, 120)


class DividedView(QtWidgets.QWidget):
    """Shows the patch as Krita enlarges it left of the divider, as the network does right of it."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("neural_upscale_divided")
        self.setFixedSize(SIDE, SIDE)
        self.setCursor(QtGui.QCursor(QtCore.Qt.CursorShape.SplitHCursor))
        self.setToolTip("Left: as Krita enlarges. Right: the neural network. Drag the divider.")
        self.before: QtGui.QImage | None = None
        self.after: QtGui.QImage | None = None
        self.note = ""
        self.divider = 0.5

    def show_before(self, picture: QtGui.QImage) -> None:
        """Show a new patch; what was on the right is outdated."""
        self.before, self.after = picture, None
        self.update()

    def show_after(self, picture: QtGui.QImage) -> None:
        """Show the network's patch."""
        self.after, self.note = picture, ""
        self.update()

    def show_note(self, note: str) -> None:
        """Show a sentence on the right in place of a patch."""
        self.note = note
        self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802, ARG002 (Qt's)
        """Draw ground, both patches, the divider and the note."""
        painter = QtGui.QPainter(self)
        _chequer(painter, self.rect())
        split = round(self.width() * self.divider)
        right = QtCore.QRect(split, 0, self.width() - split, self.height())
        if self.before is not None:
            painter.drawImage(0, 0, self.before)
        if self.after is not None:
            painter.setClipRect(right)
            _chequer(painter, right)
            painter.drawImage(0, 0, self.after)
            painter.setClipping(False)
        if self.note:
            painter.fillRect(right, QtGui.QColor(0, 0, 0, 150))
            painter.setPen(QtCore.Qt.GlobalColor.white)
            painter.drawText(right.adjusted(8, 8, -8, -8), int(_CENTRED), self.note)
        painter.setPen(QtGui.QPen(QtGui.QColor(0, 0, 0, 160), 3))
        painter.drawLine(split, 0, split, self.height())
        painter.setPen(QtGui.QPen(QtCore.Qt.GlobalColor.white, 1))
        painter.drawLine(split, 0, split, self.height())
        _caption(painter, QtCore.QRect(0, 0, split, self.height()), "Krita", _LEFT_FOOT)
        _caption(painter, right, "Neural", _RIGHT_FOOT)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802 (Qt's)
        """Move the divider to the pointer."""
        self.mouseMoveEvent(event)

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802 (Qt's)
        """Move the divider with the pointer."""
        self.divider = min(1.0, max(0.0, event.pos().x() / self.width()))
        self.update()


class Thumbnail(QtWidgets.QWidget):
    """Shows the whole canvas and the patch's place; a click asks for another place with `picked` (column, row)."""

    picked = QtCore.pyqtSignal(int, int)

    def __init__(self, picture: QtGui.QImage, canvas: Region, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("neural_upscale_thumbnail")
        self.setFixedSize(picture.width(), picture.height())
        self.setToolTip("Click to preview another place.")
        self._picture, self._canvas = picture, canvas
        self._patch = Region(0, 0, 0, 0)

    def show_patch(self, patch: Region) -> None:
        """Frame the patch that is previewed."""
        self._patch = patch
        self.update()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802, ARG002 (Qt's)
        """Draw the canvas and the frame."""
        painter = QtGui.QPainter(self)
        _chequer(painter, self.rect())
        painter.drawImage(0, 0, self._picture)
        across, down = self.width() / self._canvas.width, self.height() / self._canvas.height
        frame = QtCore.QRectF(
            self._patch.x * across, self._patch.y * down, self._patch.width * across, self._patch.height * down
        )
        painter.setPen(QtGui.QPen(QtCore.Qt.GlobalColor.black, 3))
        painter.drawRect(frame)
        painter.setPen(QtGui.QPen(QtCore.Qt.GlobalColor.white, 1))
        painter.drawRect(frame)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:  # noqa: N802 (Qt's)
        """Ask for the place under the pointer."""
        point = float(event.pos().x()), float(event.pos().y())
        size = client.Size(self.width(), self.height())
        self.picked.emit(*client.pointed_at(point, size, self._canvas))


_CENTRED = QtCore.Qt.AlignmentFlag.AlignCenter | QtCore.Qt.TextFlag.TextWordWrap
_LEFT_FOOT = QtCore.Qt.AlignmentFlag.AlignLeft | QtCore.Qt.AlignmentFlag.AlignBottom
_RIGHT_FOOT = QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignBottom


def _caption(painter: QtGui.QPainter, area: QtCore.QRect, text: str, place: QtCore.Qt.AlignmentFlag) -> None:
    """Write into a corner which side this is, readable on any picture."""
    room = area.adjusted(6, 0, -6, -4)
    if room.width() < painter.fontMetrics().boundingRect(text).width():
        return
    painter.setPen(QtCore.Qt.GlobalColor.black)
    painter.drawText(room.translated(1, 1), int(place), text)
    painter.setPen(QtCore.Qt.GlobalColor.white)
    painter.drawText(room, int(place), text)


def _chequer(painter: QtGui.QPainter, area: QtCore.QRect) -> None:
    painter.fillRect(area, QtGui.QColor(200, 200, 200))
    for top in range(area.top() // CHECK * CHECK, area.bottom() + 1, CHECK):
        for left in range(area.left() // CHECK * CHECK, area.right() + 1, CHECK):
            if (left + top) // CHECK % 2:
                square = QtCore.QRect(left, top, CHECK, CHECK).intersected(area)
                painter.fillRect(square, QtGui.QColor(160, 160, 160))
