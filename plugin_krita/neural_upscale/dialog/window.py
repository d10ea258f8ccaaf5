"""The dialog: preview, controls, and how long it will take. It never waits for the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import client, sizes
from ..host import documents
from ..host.qt import QtCore, QtWidgets
from ..i18n import _
from ..layers import each_with_picture
from ..progress import TITLE
from ..settings import Settings
from ..source import has_selection, wanted_of
from .models import Listing, Reach
from .options import Options
from .preview import Preview

ZOOMS = (1, 3)
LARGEST_AT_START = QtCore.QSize(560, 600)
OF_THE_SCREEN = 0.9
MINUTE = 60


class Dialog(QtWidgets.QDialog):
    """Asks for the settings of one run; `settings()` returns them.

    Args:
        document: Krita's document.
        nodes: the layers that are chosen, from the bottom up; the topmost with a picture is previewed.
        last: the settings of the run before.
        parent: the window that it belongs to.
    """

    def __init__(
        self, document: Any, nodes: Sequence[Any], last: Settings, parent: QtWidgets.QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(TITLE)
        self.setObjectName("neural_upscale_dialog")
        self.setSizeGripEnabled(True)
        found = each_with_picture(nodes, lambda node: (node, wanted_of(document, node)))[0]
        self._document, self._places = document, [place for _node, place in found]
        self._speed = 0.0  # seconds for a pixel that the server computes; 0 until it has answered
        self.options = Options(last, lambda output: self._basis(output).size)
        self.preview = Preview(document, found[-1][0], self)
        self.zooms = QtWidgets.QComboBox()
        self.zooms.setToolTip(_("Size of the preview"))
        for factor in ZOOMS:
            self.zooms.addItem(f"{100 * factor} %", factor)
        self.estimate = QtWidgets.QLabel()
        self.hint = QtWidgets.QLabel()
        self.hint.setWordWrap(True)
        self._lay_out()
        self._show_hint("")
        self.zooms.currentIndexChanged.connect(lambda: self.preview.zoom(self.zooms.currentData()))
        self.options.changed.connect(self._follow)
        self.preview.answered.connect(self._show_answer)
        self._follow()
        self.preview.say(_("Looking for the model server…"), busy=True)
        self._reach = Reach(self)
        self._reach.waiting.connect(self._show_waiting)
        self._reach.reached.connect(self.preview.use_server)
        self._reach.listed.connect(self._know_models)
        self._reach.failed.connect(self._show_failure)
        self._reach.begin()

    def settings(self) -> Settings:
        """Return what is chosen."""
        return self.options.settings()

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
        below.addWidget(self.options, 1)
        foot = QtWidgets.QHBoxLayout()
        foot.addWidget(self.estimate, 1)
        foot.addWidget(buttons)
        rows = QtWidgets.QVBoxLayout(self)
        rows.addWidget(self.preview.view, 1)
        rows.addLayout(below)
        rows.addWidget(self.hint)
        rows.addLayout(foot)
        room = self.screen().availableGeometry().size() if self.screen() else LARGEST_AT_START
        self.resize(LARGEST_AT_START.boundedTo(room * OF_THE_SCREEN))

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
        self._show_hint(" ".join(listing.faults))
        self.options.know_models(listing)

    def _show_answer(self, chosen: client.Chosen, seconds: float) -> None:
        """Show what the server estimated, and by the seconds that a computed pixel took how long all will take."""
        if chosen.cleanup is not None and self.settings().cleanup is None:
            self.options.show_estimated_cleanup(chosen.cleanup)
        self._speed = seconds
        self._show_time()

    def _follow(self) -> None:
        self.preview.choose(self.settings(), self._factor())
        self._show_time()

    def _show_time(self) -> None:
        if not self._speed:
            return
        factor = self._factor()
        pixels = sum(client.computed_pixels(each.size, each.size.enlarged(factor)) for each in self._places)
        text = _("This takes about {time} on this computer.")
        if len(self._places) > 1:
            text = _("{count} layers: about {time} on this computer.")
        self.estimate.setText(text.format(count=len(self._places), time=_roughly(self._speed * pixels)))

    def _basis(self, output: str) -> client.Region:
        return sizes.basis(documents.canvas(self._document), self._places, output, has_selection(self._document))

    def _factor(self) -> float:
        settings = self.settings()
        before = self._basis(settings.output).size
        return sizes.result_of(settings, before).width / before.width


def _roughly(seconds: float) -> str:
    if seconds < MINUTE:
        return _("{seconds} s").format(seconds=max(1, round(seconds)))
    return _("{minutes} min").format(minutes=round(seconds / MINUTE))
