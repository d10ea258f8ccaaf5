"""The control for the size: a factor, or pixels in the shape of what is enlarged."""

from __future__ import annotations

from typing import Any

from ..client import LEAST_FACTOR, MOST_FACTOR, Size
from ..host.qt import QtCore, QtGui, QtWidgets
from ..i18n import _
from ..settings import Settings
from ..sizes import result_of
from . import painting

FACTORS = (2.0, 3.0, 4.0)
SIDES = ("width", "height")
CHAIN = QtCore.QSize(24, 12)


class SizeControl(QtWidgets.QWidget):
    """Emits `changed` when the user chose another size; `chosen()` returns it.

    Args:
        last: the settings of the run before.
    """

    changed = QtCore.pyqtSignal()

    def __init__(self, last: Settings) -> None:
        super().__init__()
        self._before = Size(1, 1)
        self._side = "height" if last.height and not last.width else "width"  # the one that was typed
        self.choice = QtWidgets.QComboBox()
        for factor in sorted({*FACTORS, float(last.scale)}):
            self.choice.addItem(f"×{factor:g}", factor)
        self.choice.addItem(_("pixels"), None)
        self.choice.setCurrentIndex(self.choice.findData(None if last.width or last.height else float(last.scale)))
        self.choice.setToolTip(_("How many times as wide and as high, or how many pixels."))
        self.sides = {name: QtWidgets.QSpinBox() for name in SIDES}
        self.sides["width"].setToolTip(_("Width of the result in pixels."))
        self.sides["height"].setToolTip(_("Height of the result in pixels."))
        for name in SIDES:
            self.sides[name].setRange(1, MOST_FACTOR * (last.width or last.height or 1))
            self.sides[name].setValue(getattr(last, name) or 1)
        self._lay_out()
        self.choice.currentIndexChanged.connect(self._follow)
        for name in SIDES:
            self.sides[name].setKeyboardTracking(False)
            self.sides[name].setSuffix(" px")
            self.sides[name].valueChanged.connect(lambda _value, name=name: self._turn(name))

    def chosen(self) -> dict[str, Any]:
        """Return the fields of Settings."""
        factor = self.choice.currentData()
        return {self._side: self.sides[self._side].value()} if factor is None else {"scale": factor}

    def show_basis(self, before: Size) -> None:
        """Show the size that the choice gives; pixels that are out of range are brought near.

        Args:
            before: the size of what is enlarged.
        """
        self._before = before
        for name in SIDES:
            self.sides[name].blockSignals(True)
            whole = getattr(before, name)
            self.sides[name].setRange(LEAST_FACTOR * whole, MOST_FACTOR * whole)
        result = result_of(Settings(**self.chosen()), before)
        for name in SIDES:
            self.sides[name].setValue(getattr(result, name))
            self.sides[name].blockSignals(False)

    def _lay_out(self) -> None:
        chain = Chain()
        chain.setToolTip(_("The proportions are kept."))
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget, share in ((self.choice, 0), (self.sides["width"], 1), (chain, 0), (self.sides["height"], 1)):
            row.addWidget(widget, share)
        self.setFocusProxy(self.choice)

    def _turn(self, name: str) -> None:
        """Take a typed side; the other one follows."""
        self._side = name
        pixels = self.choice.findData(None)
        if self.choice.currentIndex() == pixels:
            self._follow()
        else:
            self.choice.setCurrentIndex(pixels)

    def _follow(self) -> None:
        self.show_basis(self._before)
        self.changed.emit()


class Chain(QtWidgets.QWidget):
    """Shows that width and height belong together."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedSize(CHAIN)

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:  # noqa: N802, ARG002 (Qt's)
        """Draw it in the colour of the text."""
        painting.chain(QtGui.QPainter(self), self.rect(), self.palette().windowText().color())
