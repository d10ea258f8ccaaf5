"""A small window beside the work: what is being done, how long it will take, and a Cancel button. Never modal."""

from __future__ import annotations

from collections.abc import Sequence

from . import client
from .host.qt import QtCore, QtWidgets
from .i18n import _

TITLE = "Neural Upscale"
STEPS = 1000
MARGIN = 40  # pixels


class ProgressPanel(QtWidgets.QWidget):
    """Shows one run's progress; emits `cancelled` when the user wants no more (also by closing the window)."""

    cancelled = QtCore.pyqtSignal()

    def __init__(self, layers: Sequence[str], parent: QtWidgets.QWidget | None) -> None:
        super().__init__(parent, QtCore.Qt.WindowType.Tool)
        self.setWindowTitle(TITLE)
        self.setObjectName("neural_upscale_progress")
        several = _("{count} layers").format(count=len(layers))
        self._what = f"'{layers[0]}'" if len(layers) == 1 else several
        self._progress: client.Progress | None = None
        self._text = QtWidgets.QLabel(_("Enlarging {what}…").format(what=self._what))
        self._text.setTextFormat(QtCore.Qt.TextFormat.PlainText)  # a layer may be called anything
        self._bar = QtWidgets.QProgressBar()
        self._bar.setRange(0, 0)
        self._bar.setTextVisible(False)
        self._button = QtWidgets.QPushButton(_("Cancel"))
        self._button.clicked.connect(self._give_up)
        rows = QtWidgets.QVBoxLayout(self)
        for each in (self._text, self._bar, self._button):
            rows.addWidget(each)
        self.setMinimumWidth(320)
        if parent is not None:  # over a corner of Krita's window, where it hides little
            self.adjustSize()
            corner = parent.mapToGlobal(QtCore.QPoint(0, parent.height()))
            self.move(corner + QtCore.QPoint(MARGIN, -self.height() - 2 * MARGIN))

    def show_waiting(self, seconds: float) -> None:
        """Show that a server is being started, since so many seconds ago."""
        self._text.setText(_("Starting the model server… {seconds:.0f} s").format(seconds=seconds))

    def show_progress(self, received: int, promised: int) -> None:
        """Show how much of the result has come, in bytes."""
        if self._progress is None:
            self._progress = client.Progress()
            self._bar.setRange(0, STEPS)
        self._bar.setValue(int(STEPS * received / promised))
        self._text.setText(f"{self._what}: {self._progress.text(received, promised)}")

    def show_cancelling(self) -> None:
        """Show that the user has cancelled."""
        self._button.setEnabled(False)
        self._text.setText(_("Cancelling…"))

    def closeEvent(self, event: QtCore.QEvent) -> None:  # noqa: N802 (Qt's name)
        """Take closing the window for Cancel while the run goes on."""
        super().closeEvent(event)
        if self._button.isEnabled() and event.spontaneous():
            self._give_up()

    def _give_up(self) -> None:
        self._button.setEnabled(False)
        self.cancelled.emit()
