"""A control from 0 to 1 between two named ends, which may be left to the server by a box beside it."""

from __future__ import annotations

from ..host.qt import QtCore, QtWidgets


class Slider(QtWidgets.QWidget):
    """Emits `changed` when the value does; `value()` returns it.

    Args:
        steps: between the ends.
        ends: what the ends are called.
        tooltip: what the control does.
        box: the label of the box that leaves the value to the server; none without one.
    """

    changed = QtCore.pyqtSignal()

    def __init__(self, steps: int, ends: tuple[str, str], tooltip: str, box: str = "") -> None:
        super().__init__()
        self._steps, self._tooltip = steps, tooltip
        self.automatic = QtWidgets.QCheckBox(box)
        self.bar = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.bar.setRange(0, steps)
        self.text = QtWidgets.QLabel()
        self.text.setMinimumWidth(self.fontMetrics().boundingRect("0.00").width())
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for widget in (self.automatic, QtWidgets.QLabel(ends[0])):
            row.addWidget(widget)
        row.addWidget(self.bar, 1)
        for widget in (QtWidgets.QLabel(ends[1]), self.text):
            row.addWidget(widget)
        self.automatic.setVisible(bool(box))
        self.setFocusProxy(self.automatic if box else self.bar)
        self.bar.valueChanged.connect(self._follow)
        self.automatic.toggled.connect(self._follow)

    def value(self) -> float | None:
        """Return the value, 0…1; None where it is left to the server or does not apply."""
        return self.bar.value() / self._steps if self.bar.isEnabled() else None

    def stand_at(self, value: float | None) -> None:
        """Move to a value; None checks the box."""
        self.automatic.setChecked(value is None)
        self.bar.setValue(round((value or 0.0) * self._steps))

    def offer(self, obstacle: str = "") -> None:
        """Let the user choose, unless there is an obstacle: the sentence that says why the control does not apply."""
        self.setEnabled(not obstacle)
        self.setToolTip(obstacle or self._tooltip)
        self._follow()

    def show_estimate(self, value: float | None) -> None:
        """Show what the server takes while the value is left to it."""
        if self.isEnabled() and self.automatic.isChecked():
            self.text.setText("" if value is None else f"{value:.2f}")

    def _follow(self) -> None:
        self.bar.setEnabled(self.isEnabled() and not self.automatic.isChecked())
        value = self.value()
        self.text.setText("" if value is None else f"{value:.2f}")
        self.changed.emit()
