"""The dialog that asks for model, detail, cleanup and output, with the preview. It never waits for the server."""

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
CLEANUP_STEPS = 4  # and cleanup to 0.25
NOT_KNOWN = "The models are listed when the server runs; 'auto' takes the best one."


class Dialog(QtWidgets.QDialog):
    """Asks for the settings of one run; `settings()` returns them."""

    _listing = QtCore.pyqtSignal(object)

    def __init__(self, document: Any, node: Any, last: Settings, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(TITLE)
        self.setObjectName("neural_upscale_dialog")
        self._last, self._details = last, {}  # type: tuple[Settings, dict[str, dict[str, float]]]
        self._with_cleanup: set[str] = set()  # models that have it
        self.models = QtWidgets.QComboBox()
        self.detail = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.detail.setRange(0, STEPS)
        self.detail_text = QtWidgets.QLabel()
        self.automatic = QtWidgets.QCheckBox("automatic")
        self.cleanup = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.cleanup.setRange(0, CLEANUP_STEPS)
        self.cleanup_text = QtWidgets.QLabel()
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
            return Settings(model, kept, self.outputs.currentData(), self._chosen_cleanup())
        return Settings(model, self.detail.value() / STEPS, self.outputs.currentData(), self._chosen_cleanup())

    def _chosen_cleanup(self) -> float | None:
        """Return the slider's value; None for automatic, and where the model does not have it."""
        if self.automatic.isChecked() or not self.automatic.isEnabled():
            return None
        return float(self.cleanup.value() / CLEANUP_STEPS)

    def done(self, result: int) -> None:
        """End the preview with the dialog."""
        self.preview.end()
        super().done(result)

    def _lay_out(self) -> None:
        slider = QtWidgets.QHBoxLayout()
        slider.addWidget(self.detail)
        slider.addWidget(self.detail_text)
        cleanup = QtWidgets.QHBoxLayout()
        for part in (self.automatic, QtWidgets.QLabel("as it is"), self.cleanup, QtWidgets.QLabel("clean")):
            cleanup.addWidget(part)
        cleanup.addWidget(self.cleanup_text)
        form = QtWidgets.QFormLayout()
        form.addRow("Model:", self.models)
        form.addRow("Detail:", slider)
        form.addRow("Clean-up:", cleanup)
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
        self.automatic.setChecked(self._last.cleanup is None)
        self.cleanup.setValue(round((self._last.cleanup or 0.0) * CLEANUP_STEPS))
        self.models.currentIndexChanged.connect(self._follow_model)
        self.detail.valueChanged.connect(self._follow_detail)
        self.automatic.toggled.connect(self._follow_cleanup)
        self.cleanup.valueChanged.connect(self._follow_cleanup)
        self.preview.used.connect(self._show_used)
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
        self._with_cleanup = {each["name"] for each in usable if each.get("cleanup")}
        if listing.get("default") in self._with_cleanup:
            self._with_cleanup.add("auto")
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
        self.automatic.setEnabled(model in self._with_cleanup or (not self._details and model == self._last.model))
        self._follow_cleanup()
        self._follow_detail()

    def _follow_detail(self) -> None:
        enabled = self.detail.isEnabled()
        self.detail_text.setText(f"{self.detail.value() / STEPS:.2f}" if enabled else "the model's own")
        self.preview.choose(self.settings())

    def _follow_cleanup(self) -> None:
        chosen = self._chosen_cleanup()
        self.cleanup.setEnabled(self.automatic.isEnabled() and not self.automatic.isChecked())
        self.cleanup_text.setText("" if chosen is None else f"{chosen:.2f}")
        self.preview.choose(self.settings())

    def _show_used(self, used: client.Chosen) -> None:
        """Show what the server estimated."""
        if self.automatic.isChecked() and used.cleanup is not None:
            self.cleanup_text.setText(f"{used.cleanup:.2f}")
