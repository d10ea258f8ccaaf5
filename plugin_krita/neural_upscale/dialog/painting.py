"""How the preview's parts are drawn: readable on any picture, sharp on any screen."""

from __future__ import annotations

from ..host.qt import QtCore, QtGui

CHECK = 8  # pixels of the chequered ground under transparent pixels
MARGIN = 8

_WHITE, _BLACK = QtCore.Qt.GlobalColor.white, QtCore.Qt.GlobalColor.black
_CENTRED = QtCore.Qt.AlignmentFlag.AlignCenter | QtCore.Qt.TextFlag.TextWordWrap
_FOOT = QtCore.Qt.AlignmentFlag.AlignBottom


def picture(painter: QtGui.QPainter, area: QtCore.QRect, image: QtGui.QImage, zoom: int) -> None:
    """Draw an image in the middle of an area, each of its pixels as `zoom` of the screen's, without smoothing."""
    scale = zoom / painter.device().devicePixelRatioF()
    place = QtCore.QRectF(0, 0, image.width() * scale, image.height() * scale)
    ratio = painter.device().devicePixelRatioF()
    left, top = ((whole - part) / 2 for whole, part in ((area.width(), place.width()), (area.height(), place.height())))
    place.moveTo(round(left * ratio) / ratio, round(top * ratio) / ratio)  # on the screen's own grid
    painter.drawImage(place, image, QtCore.QRectF(image.rect()))


def note(painter: QtGui.QPainter, area: QtCore.QRect, text: str) -> None:
    """Write a sentence over an area that it darkens."""
    painter.fillRect(area, QtGui.QColor(0, 0, 0, 150))
    painter.setPen(_WHITE)
    painter.drawText(area.adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN), int(_CENTRED), text)


def line(painter: QtGui.QPainter, where: QtCore.QLineF) -> None:
    """Draw a white line with a dark rim."""
    for pen in (QtGui.QPen(QtGui.QColor(0, 0, 0, 160), 3), QtGui.QPen(_WHITE, 1)):
        painter.setPen(pen)
        painter.drawLine(where)


def frame(painter: QtGui.QPainter, where: QtCore.QRectF) -> None:
    """Draw a white frame with a dark rim."""
    for pen in (QtGui.QPen(_BLACK, 3), QtGui.QPen(_WHITE, 1)):
        painter.setPen(pen)
        painter.drawRect(where)


def focus(painter: QtGui.QPainter, area: QtCore.QRect) -> None:
    """Show that the keyboard acts on this area."""
    painter.setPen(QtGui.QPen(QtGui.QColor(61, 174, 233), 2))
    painter.drawRect(area.adjusted(1, 1, -1, -1))


def caption(painter: QtGui.QPainter, area: QtCore.QRect, text: str, *, left: bool) -> None:
    """Write into a lower corner which side this is, if there is room."""
    room = area.adjusted(6, 0, -6, -4)
    if room.width() < painter.fontMetrics().boundingRect(text).width():
        return
    side = QtCore.Qt.AlignmentFlag.AlignLeft if left else QtCore.Qt.AlignmentFlag.AlignRight
    for colour, place in ((_BLACK, room.translated(1, 1)), (_WHITE, room)):
        painter.setPen(colour)
        painter.drawText(place, int(side | _FOOT), text)


def chequer(painter: QtGui.QPainter, area: QtCore.QRect) -> None:
    """Draw the ground that is seen through transparent pixels."""
    painter.fillRect(area, QtGui.QColor(200, 200, 200))
    for top in range(area.top() // CHECK * CHECK, area.bottom() + 1, CHECK):
        for left in range(area.left() // CHECK * CHECK, area.right() + 1, CHECK):
            if (left + top) // CHECK % 2:
                square = QtCore.QRect(left, top, CHECK, CHECK).intersected(area)
                painter.fillRect(square, QtGui.QColor(160, 160, 160))


def chain(painter: QtGui.QPainter, area: QtCore.QRect, colour: QtGui.QColor) -> None:
    """Draw two links of a chain that fill an area."""
    painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
    painter.setPen(QtGui.QPen(colour, 1.5))
    link = QtCore.QRectF(area).adjusted(1, 2, -area.width() / 2 + 1, -2)
    for place in (link, link.translated(area.width() / 2 - 2, 0)):
        painter.drawRoundedRect(place, link.height() / 2, link.height() / 2)
