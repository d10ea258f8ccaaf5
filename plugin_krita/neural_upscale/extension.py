"""The two menu entries in Tools → Scripts."""

from __future__ import annotations

from typing import Any

from krita import Extension

from . import host, log, views
from .desk import DESK
from .errors import Cancelled, NothingToUpscale
from .menu import ASK, MENU, REPEAT
from .options import Options
from .progress import TITLE
from .qt import QtWidgets, execute
from .run import Run

LAST_OPTIONS = "last_options"


class NeuralUpscale(Extension):
    """Adds the entries to each window and answers them."""

    def setup(self) -> None:
        """Do nothing: all is done when an entry is chosen."""

    def createActions(self, window: Any) -> None:  # noqa: N802 (Krita's name)
        """Add the entries to a window's menu."""
        window.createAction(*ASK, MENU).triggered.connect(self._ask)
        window.createAction(*REPEAT, MENU).triggered.connect(self._repeat)

    def _ask(self) -> None:
        try:
            from .dialog import OptionsDialog

            DESK.check_free()
            document, node = _chosen()
            dialog = OptionsDialog(document, node, last_options(), views.main_window())
            accepted = execute(dialog)
            options = dialog.options()
            dialog.deleteLater()
            if accepted:
                host.write_setting(LAST_OPTIONS, options.to_text())
                _start(document, node, options)
        except Exception as fault:  # noqa: BLE001 (the one funnel)
            _tell(fault)

    def _repeat(self) -> None:
        try:
            _start(*_chosen(), last_options())
        except Exception as fault:  # noqa: BLE001 (the one funnel)
            _tell(fault)


def last_options() -> Options:
    """Give what was chosen last time, or the defaults."""
    return Options.from_text(host.read_setting(LAST_OPTIONS))


def _chosen() -> tuple[Any, Any]:
    document = host.krita().activeDocument()
    if document is None:
        raise NothingToUpscale("No document is open; open a picture and choose a layer.")
    return document, document.activeNode()


def _start(document: Any, node: Any, options: Options) -> None:
    run = DESK.begin(document, node, options)
    run.ended.connect(lambda: _report(run))
    run.start()


def _report(run: Run) -> None:
    if run.error is not None:
        _tell(run.error)
    elif run.placed is not None:
        views.float_message("\n".join(("Neural Upscale x2 is done.", *run.placed.sentences())))


def _tell(fault: BaseException) -> None:
    error = log.as_upscale_error(fault)
    if isinstance(error, Cancelled):
        views.float_message(str(error))
    else:
        QtWidgets.QMessageBox.warning(views.main_window(), TITLE, str(error))
