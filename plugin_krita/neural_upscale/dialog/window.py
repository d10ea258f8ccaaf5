"""The dialog that asks for model, detail and output, with the preview. It never waits for the server."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from .. import client, server
from ..host.qt import QtCore, QtWidgets
from ..progress import TITLE
from ..server import shield_from_broken_pipes
from ..settings import OUTPUTS, Settings
from .preview import Preview

STEPS = 20  # of the detail slider: the server rounds to 0.05 as well
NOT_KNOWN = "The models are listed when the server runs; 'auto' takes the best one."


class Dialog(QtWidgets.QDialog):
    """Asks for the settings of one run; `settings()` returns them."""

    _listing = QtCore.pyqtSignal(object)

    def __init__(self, document: Any, node: Any, last: Settings, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(TITLE)
        self.setObjectName("neural_upscale_dialog")
        self._last, self._details = last, {}  # type: tuple[Settings, dict[str, dict[str, float]]]
        self.models = QtWidgets.QComboBox()
        self.detail = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.detail.setRange(0, STEPS)
        self.detail_text = QtWidgets.QLabel()
        self.outputs = QtWidgets.QComboBox()
        self.hint = QtWidgets.QLabel(NOT_KNOWN)
        self.hint.setWordWrap(True)
        self.preview = Preview(document, node)
        self._lay_out()
        self._fill()
        self._listing.connect(self._know_models)
        threading.Thread(target=self._ask_for_models, name="models", daemon=True).start()

    def settings(self) -> Settings:
        """Return what is chosen."""
        model = self.models.currentData()
        if not self.detail.isEnabled():
            kept = self._last.detail if not self._details and model == self._last.model else None
            return Settings(model, kept, self.outputs.currentData())
        return Settings(model, self.detail.value() / STEPS, self.outputs.currentData())

    def done(self, result: int) -> None:
        """End the preview with the dialog."""
        self.preview.end()
        super().done(result)

    def _lay_out(self) -> None:
        slider = QtWidgets.QHBoxLayout()
        slider.addWidget(self.detail)
        slider.addWidget(self.detail_text)
        form = QtWidgets.QFormLayout()
        form.addRow("Model:", self.models)
        form.addRow("Detail:", slider)
        form.addRow("Result:", self.outputs)
        kinds = QtWidgets.QDialogButtonBox.StandardButton
        buttons = QtWidgets.QDialogButtonBox(kinds.Ok | kinds.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        rows = QtWidgets.QVBoxLayout(self)
        rows.addWidget(self.preview)
        rows.addLayout(form)
        rows.addWidget(self.hint)
        rows.addWidget(buttons)

    def _fill(self) -> None:
        for key, text in OUTPUTS.items():
            self.outputs.addItem(text, key)
        self.outputs.setCurrentIndex(self.outputs.findData(self._last.output))
        for name in dict.fromkeys(("auto", self._last.model)):
            self.models.addItem(name, name)
        self.models.setCurrentIndex(self.models.count() - 1)
        self.models.currentIndexChanged.connect(self._follow_model)
        self.detail.valueChanged.connect(self._follow_detail)
        self._follow_model()

    def _ask_for_models(self) -> None:
        """Ask the server, in a thread that may outlive the dialog."""
        shield_from_broken_pipes()
        runtime = server.running()
        # ClientError: the preview shows it; RuntimeError: the dialog was closed meanwhile.
        with contextlib.suppress(client.ClientError, RuntimeError):
            if runtime is not None:
                self._listing.emit(client.models(runtime))

    def _know_models(self, listing: dict[str, Any]) -> None:
        usable = [each for each in listing["models"] if each.get("usable", True)]
        self._details = {each["name"]: each["detail"] for each in usable if each.get("detail")}
        if listing.get("default") in self._details:
            self._details["auto"] = self._details[listing["default"]]
        for each in usable:
            if self.models.findData(each["name"]) < 0:
                self.models.addItem(each["name"], each["name"])
        if listing.get("default"):
            self.models.setItemText(0, f"auto ({listing['default']})")
        self.hint.setText(" ".join(f"{each['name']}: {each['message']}" for each in listing.get("broken", ())))
        self.hint.setVisible(bool(self.hint.text()))
        self._follow_model()

    def _follow_model(self) -> None:
        """Set the slider to the model's range: to the last choice for the last model, else to the model's default."""
        model = self.models.currentData()
        known = self._details.get(model)
        self.detail.setEnabled(known is not None and known["highest"] > 0)
        value = 0.0
        if known is not None:
            value = known["default"]
            if model == self._last.model and self._last.detail is not None:
                value = min(self._last.detail, known["highest"])
        self.detail.setValue(round(value * STEPS))
        self._follow_detail()

    def _follow_detail(self) -> None:
        enabled = self.detail.isEnabled()
        self.detail_text.setText(f"{self.detail.value() / STEPS:.2f}" if enabled else "the model's own")
        settings = self.settings()
        self.preview.choose(settings.model, settings.detail)
