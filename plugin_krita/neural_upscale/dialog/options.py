"""The controls: size, detail, clean-up and output in sight, the model and its licence under More."""

from __future__ import annotations

from collections.abc import Callable

from ..client import Size
from ..host.qt import QtCore, QtWidgets
from ..i18n import _
from ..settings import OUTPUTS, Settings
from .models import Listing
from .size import SizeControl
from .slider import Slider

DETAIL_STEPS = 20  # the server rounds to 0.05 as well
CLEANUP_STEPS = 4  # and clean-up to 0.25


class Options(QtWidgets.QWidget):
    """Emits `changed` when the user or the server's list changed what `settings()` returns.

    Args:
        last: the settings of the run before.
        basis: returns the size of what is enlarged, for an output.
    """

    changed = QtCore.pyqtSignal()

    def __init__(self, last: Settings, basis: Callable[[str], Size]) -> None:
        super().__init__()
        self._last, self._basis, self._listing = last, basis, Listing()
        self._estimate: float | None = None  # of the clean-up that the layer needs; the same for every model
        self.size = SizeControl(last)
        self.detail = Slider(
            DETAIL_STEPS,
            (_("faithful"), _("detailed")),
            _("Faithful adds nothing that the photo does not hold; detailed draws texture that is likely."),
        )
        self.cleanup = Slider(
            CLEANUP_STEPS,
            (_("as it is"), _("clean")),
            _(
                "Removes noise and traces of JPEG; “as it is” also keeps film grain. Automatic takes what the "
                "photo needs."
            ),
            _("automatic"),
        )
        self.outputs = QtWidgets.QComboBox()
        self.models = QtWidgets.QComboBox()
        self.models.setToolTip(_("The network that enlarges; auto takes the best one for this computer."))
        self.licence = QtWidgets.QLabel()
        self.more = QtWidgets.QToolButton()
        self._further = QtWidgets.QWidget()
        self._fill()
        self._lay_out()
        self._follow_model()
        self.models.currentIndexChanged.connect(self._follow_model)
        for each in (self.size.changed, self.detail.changed, self.cleanup.changed, self.outputs.currentIndexChanged):
            each.connect(self._announce)

    def settings(self) -> Settings:
        """Return what is chosen."""
        detail = self._last.detail if self._is_unknown() else self.detail.value()
        model, output = self.models.currentData(), self.outputs.currentData()
        return Settings(model, detail, output, self.cleanup.value(), **self.size.chosen())

    def know_models(self, listing: Listing) -> None:
        """Offer the server's models."""
        self._listing = listing
        for name in listing.licences:
            if self.models.findData(name) < 0:
                self.models.addItem(name, name)
        if listing.default:
            self.models.setItemText(0, _("auto ({model})").format(model=listing.default))
        self._follow_model()

    def show_estimated_cleanup(self, value: float) -> None:
        """Show the clean-up that the server found the layer to need."""
        self._estimate = value
        self.cleanup.show_estimate(value)

    def _fill(self) -> None:
        tooltips = {
            "enlarge": _("Everything is enlarged: the chosen layers by the model, the rest by Krita's own scaling."),
            "layer": _("The layer grows from its top-left corner."),
            "new": _("This document stays as it is."),
        }
        for place, (key, text) in enumerate(OUTPUTS.items()):
            self.outputs.addItem(text, key)
            self.outputs.setItemData(place, tooltips[key], QtCore.Qt.ItemDataRole.ToolTipRole)
        self.outputs.setToolTip("\n".join(f"{text}: {tooltips[key]}" for key, text in OUTPUTS.items()))
        self.outputs.setCurrentIndex(self.outputs.findData(self._last.output))
        self.models.addItem(_("auto"), "auto")
        if self._last.model != "auto":
            self.models.addItem(self._last.model, self._last.model)
        self.models.setCurrentIndex(self.models.count() - 1)
        self.detail.stand_at(self._last.detail or 0.0)
        self.cleanup.stand_at(self._last.cleanup)

    def _lay_out(self) -> None:
        rows = QtWidgets.QFormLayout()
        rows.addRow(_("&Size"), self.size)
        rows.addRow(_("&Detail"), self.detail)
        rows.addRow(_("Clean-&up"), self.cleanup)
        rows.addRow(_("&Output"), self.outputs)
        further = QtWidgets.QFormLayout(self._further)
        further.setContentsMargins(0, 0, 0, 0)
        further.addRow(_("&Model"), self.models)
        further.addRow(_("Licence"), self.licence)
        self.more.setText(_("Mo&re"))
        self.more.setToolTip(_("Model and licence"))
        self.more.setCheckable(True)
        self.more.setAutoRaise(True)
        self.more.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more.toggled.connect(self._show_more)
        self.more.setChecked(self._last.model != "auto")
        self._show_more(self.more.isChecked())
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(rows)
        column.addWidget(self.more)
        column.addWidget(self._further)
        column.addStretch(1)

    def _show_more(self, shown: bool) -> None:
        self.more.setArrowType(QtCore.Qt.ArrowType.DownArrow if shown else QtCore.Qt.ArrowType.RightArrow)
        self._further.setVisible(shown)

    def _is_unknown(self) -> bool:
        """Return whether the server has not listed the model yet, so that its last choices are as good as any."""
        return not self._listing.licences and self.models.currentData() == self._last.model

    def _follow_model(self) -> None:
        """Set the slider to the last choice for the last model, to the model's own default for another one."""
        model, listing = self.models.currentData(), self._listing
        known = listing.details.get(model)
        if known is not None:
            last = self._last.detail if model == self._last.model else None
            self.detail.stand_at(known["default"] if last is None else min(last, known["highest"]))
        faithful = _("This model is faithful: it adds nothing that the photo does not hold.")
        self.detail.offer("" if known is not None and known["highest"] > 0 else faithful)
        without = self._is_unknown() or model in listing.with_cleanup
        self.cleanup.offer("" if without else _("This model has no clean-up."))
        self.licence.setText(listing.licences.get(listing.default if model == "auto" else model, "–"))
        self._announce()

    def _announce(self) -> None:
        self.size.show_basis(self._basis(self.outputs.currentData()))
        self.cleanup.show_estimate(self._estimate)
        self.changed.emit()
