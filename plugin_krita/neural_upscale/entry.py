"""The ways into a run, from the menu and from scripts, and out of it: its result, or a sentence for the user."""

from __future__ import annotations

from typing import Any

from . import log
from .dialog.window import Dialog
from .errors import Cancelled, NothingToUpscale
from .host import documents, views
from .host.qt import QtCore, QtWidgets, execute
from .i18n import _, say
from .layers import layers_of
from .progress import TITLE
from .run import Run
from .run_guard import GUARD
from .settings import Settings

LAST_SETTINGS = "last_options"  # the name in Krita's settings file


def ask() -> None:
    """Open the dialog and start what the user chose there."""
    try:
        GUARD.check_free()
        document, nodes = _chosen()
        dialog = Dialog(document, nodes, last_settings(), views.main_window())
        accepted = execute(dialog)
        settings = dialog.settings()
        dialog.deleteLater()
        if accepted:
            documents.write_setting(LAST_SETTINGS, settings.to_text())
            _start(document, nodes, settings)
    except Exception as fault:  # noqa: BLE001 (every fault becomes a sentence)
        _show(fault)


def repeat() -> None:
    """Start a run with the last settings, without a dialog."""
    try:
        _start(*_chosen(), last_settings())
    except Exception as fault:  # noqa: BLE001 (every fault becomes a sentence)
        _show(fault)


def upscale(**options: Any) -> Any:
    """Do what `registration.upscale` promises; `options` are the fields of Settings."""
    try:
        settings = Settings(**options)
        run = GUARD.begin(*_chosen(), settings)
        loop = QtCore.QEventLoop()
        run.ended.connect(loop.quit)
        run.start()
        execute(loop)
    except Exception as fault:
        raise log.as_upscale_error(fault) from fault
    if run.error is not None:
        raise run.error
    if run.placed is None:
        raise Cancelled(_("Krita is closing, so the work was cancelled."))
    for sentence in run.placed.sentences():
        say(sentence)
    return run.placed.result


def last_settings() -> Settings:
    """Return what was chosen last time, or the defaults."""
    return Settings.from_text(documents.read_setting(LAST_SETTINGS))


def _chosen() -> tuple[Any, list[Any]]:
    document = documents.krita().activeDocument()
    if document is None:
        raise NothingToUpscale(_("No document is open; open a picture and choose a layer."))
    return document, layers_of(document, views.selected_nodes(document))


def _start(document: Any, nodes: list[Any], settings: Settings) -> None:
    run = GUARD.begin(document, nodes, settings)
    run.ended.connect(lambda: _report(run))
    run.start()


def _report(run: Run) -> None:
    if run.error is not None:
        _show(run.error)
    elif run.placed is not None:
        views.float_message("\n".join((_("Neural Upscale is done."), *run.placed.sentences())))


def _show(fault: BaseException) -> None:
    error = log.as_upscale_error(fault)
    if isinstance(error, Cancelled):
        views.float_message(str(error))
    else:
        _warn(str(error))


def _warn(sentence: str) -> None:
    box = QtWidgets.QMessageBox(views.main_window())
    box.setIcon(QtWidgets.QMessageBox.Icon.Warning)
    box.setWindowTitle(TITLE)
    box.setText(sentence)
    box.setTextFormat(QtCore.Qt.TextFormat.PlainText)
    flags = QtCore.Qt.TextInteractionFlag  # a sentence may hold a path or a command to be copied
    box.setTextInteractionFlags(flags.TextSelectableByMouse | flags.TextSelectableByKeyboard)
    execute(box)
    box.deleteLater()
