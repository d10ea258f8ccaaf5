"""The dialog that asks for detail, clean-up, output and model, with the preview. It never waits for the server."""

from __future__ import annotations

from typing import Any

from .. import client
from ..host.qt import QtCore, QtWidgets
from ..i18n import _
from ..progress import TITLE
from ..settings import OUTPUTS, Settings
from .models import Listing, Reach
from .preview import Preview

STEPS = 20  # of the detail slider: the server rounds to 0.05 as well
CLEANUP_STEPS = 4  # and clean-up to 0.25
ZOOMS = (1, 3)
LARGEST_AT_START = QtCore.QSize(560, 600)
OF_THE_SCREEN = 0.9


class Dialog(QtWidgets.QDialog):
    """Asks for the settings of one run; `settings()` returns them."""

    def __init__(self, document: Any, node: Any, last: Settings, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(TITLE)
        self.setObjectName("neural_upscale_dialog")
        self.setSizeGripEnabled(True)
        self._last, self._listing = last, Listing()
        self.detail = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.detail.setRange(0, STEPS)
        self.detail.setToolTip(_("How much texture the network adds: none, or as much as looks real."))
        self.detail_text = QtWidgets.QLabel()
        self.automatic = QtWidgets.QCheckBox(_("automatic"))
        self.cleanup = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.cleanup.setRange(0, CLEANUP_STEPS)
        self.cleanup.setToolTip(_("As it is keeps grain and traces of JPEG; clean removes them."))
        self.cleanup_text = QtWidgets.QLabel()
        self.outputs = QtWidgets.QComboBox()
        self.models = QtWidgets.QComboBox()
        self.licence = QtWidgets.QLabel()
        self.hint = QtWidgets.QLabel()
        self.hint.setWordWrap(True)
        self.zooms = QtWidgets.QComboBox()
        self.preview = Preview(document, node, self)
        self._lay_out()
        self._fill()
        self._reach = Reach(self)
        self._reach.waiting.connect(self._show_waiting)
        self._reach.reached.connect(self.preview.use_server)
        self._reach.listed.connect(self._know_models)
        self._reach.failed.connect(self._show_failure)
        self._reach.begin()

    def settings(self) -> Settings:
        """Return what is chosen."""
        model = self.models.currentData()
        if not self.detail.isEnabled():
            kept = self._last.detail if not self._listing.licences and model == self._last.model else None
            return Settings(model, kept, self.outputs.currentData(), self._chosen_cleanup())
        return Settings(model, self.detail.value() / STEPS, self.outputs.currentData(), self._chosen_cleanup())

    def _chosen_cleanup(self) -> float | None:
        """Return the slider's value; None for automatic, and where the model does not have it."""
        if self.automatic.isChecked() or not self.automatic.isEnabled():
            return None
        return float(self.cleanup.value() / CLEANUP_STEPS)

    def done(self, result: int) -> None:
        """End preview and waiting with the dialog."""
        self._reach.end()
        self.preview.end()
        super().done(result)

    def _lay_out(self) -> None:
        kinds = QtWidgets.QDialogButtonBox.StandardButton
        buttons = QtWidgets.QDialogButtonBox(kinds.Ok | kinds.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        place = QtWidgets.QVBoxLayout()
        place.addWidget(self.preview.thumbnail)
        place.addWidget(self.zooms)
        place.addStretch(1)
        below = QtWidgets.QHBoxLayout()
        below.addLayout(place)
        below.addLayout(self._controls(), 1)
        rows = QtWidgets.QVBoxLayout(self)
        rows.addWidget(self.preview.view, 1)
        rows.addLayout(below)
        rows.addWidget(self.hint)
        rows.addWidget(buttons)
        room = self.screen().availableGeometry().size() if self.screen() else LARGEST_AT_START
        self.resize(LARGEST_AT_START.boundedTo(room * OF_THE_SCREEN))

    def _controls(self) -> QtWidgets.QVBoxLayout:
        ends = QtWidgets.QHBoxLayout()
        for widget, stretch in ((QtWidgets.QLabel(_("faithful")), 0), (self.detail, 1)):
            ends.addWidget(widget, stretch)
        ends.addWidget(QtWidgets.QLabel(_("detailed")))
        ends.addWidget(self.detail_text)
        form = QtWidgets.QFormLayout()
        form.addRow(_("&Detail:"), ends)
        form.labelForField(ends).setBuddy(self.detail)
        cleanup = self._cleanup_row()
        form.addRow(_("Clean-&up:"), cleanup)
        form.labelForField(cleanup).setBuddy(self.automatic)
        form.addRow(_("&Output:"), self.outputs)
        self.more = QtWidgets.QToolButton()
        self.more.setText(_("Mo&re"))
        self.more.setCheckable(True)
        self.more.setAutoRaise(True)
        self.more.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self._further = QtWidgets.QWidget()
        further = QtWidgets.QFormLayout(self._further)
        further.setContentsMargins(0, 0, 0, 0)
        further.addRow(_("&Model:"), self.models)
        further.addRow(_("Licence:"), self.licence)
        column = QtWidgets.QVBoxLayout()
        column.addLayout(form)
        column.addWidget(self.more)
        column.addWidget(self._further)
        column.addStretch(1)
        self.more.toggled.connect(self._show_more)
        return column

    def _cleanup_row(self) -> QtWidgets.QHBoxLayout:
        row = QtWidgets.QHBoxLayout()
        row.addWidget(self.automatic)
        row.addWidget(QtWidgets.QLabel(_("as it is")))
        row.addWidget(self.cleanup, 1)
        row.addWidget(QtWidgets.QLabel(_("clean")))
        row.addWidget(self.cleanup_text)
        return row

    def _fill(self) -> None:
        for key, text in OUTPUTS.items():
            self.outputs.addItem(text, key)
        self.outputs.setCurrentIndex(self.outputs.findData(self._last.output))
        for factor in ZOOMS:
            self.zooms.addItem(_("Preview at {percent} %").format(percent=100 * factor), factor)
        self.zooms.currentIndexChanged.connect(lambda: self.preview.zoom(self.zooms.currentData()))
        for name in dict.fromkeys(("auto", self._last.model)):
            self.models.addItem(name, name)
        self.models.setCurrentIndex(self.models.count() - 1)
        self.models.currentIndexChanged.connect(self._follow_model)
        self.detail.valueChanged.connect(self._follow_detail)
        self.automatic.setChecked(self._last.cleanup is None)
        self.cleanup.setValue(round((self._last.cleanup or 0.0) * CLEANUP_STEPS))
        self.automatic.toggled.connect(self._follow_cleanup)
        self.cleanup.valueChanged.connect(self._follow_cleanup)
        self.preview.used.connect(self._show_used)
        self._show_more(self._last.model != "auto")
        self._show_hint("")
        self._follow_model()
        self.preview.say(_("Looking for the model server…"), busy=True)

    def _show_more(self, shown: bool) -> None:
        self.more.setChecked(shown)
        self.more.setArrowType(QtCore.Qt.ArrowType.DownArrow if shown else QtCore.Qt.ArrowType.RightArrow)
        self._further.setVisible(shown)

    def _show_hint(self, text: str) -> None:
        self.hint.setText(text)
        self.hint.setVisible(bool(text))

    def _show_waiting(self, seconds: float) -> None:
        text = _("Starting the model server… {seconds:.0f} s")
        self.preview.say(text.format(seconds=seconds), busy=True)

    def _show_failure(self, sentence: str) -> None:
        self.preview.say(_("No preview without the model server."), busy=False)
        self._show_hint(sentence)

    def _know_models(self, listing: Listing) -> None:
        self._listing = listing
        for name in listing.licences:
            if self.models.findData(name) < 0:
                self.models.addItem(name, name)
        if listing.default:
            self.models.setItemText(0, f"auto ({listing.default})")
        self._show_hint(" ".join(listing.faults))
        self._follow_model()

    def _follow_model(self) -> None:
        """Set the slider to the model's range: to the last choice for the last model, else to the model's default."""
        model = self.models.currentData()
        known = self._listing.details.get(model)
        self.detail.setEnabled(known is not None and known["highest"] > 0)
        value = 0.0
        if known is not None:
            value = known["default"]
            if model == self._last.model and self._last.detail is not None:
                value = min(self._last.detail, known["highest"])
        self.detail.setValue(round(value * STEPS))
        self.licence.setText(self._listing.licences.get(self._listing.default if model == "auto" else model, "–"))
        unknown = not self._listing.licences and model == self._last.model
        self.automatic.setEnabled(unknown or model in self._listing.with_cleanup)
        self._follow_cleanup()
        self._follow_detail()

    def _follow_detail(self) -> None:
        enabled = self.detail.isEnabled()
        self.detail_text.setText(f"{self.detail.value() / STEPS:.2f}" if enabled else _("the model's own"))
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
