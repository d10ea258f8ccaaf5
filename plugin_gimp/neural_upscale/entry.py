"""The way into a run and out of it: its result, or a sentence for the user, while the log gets the traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gi.repository import Gimp, GLib, GObject

from .errors import Incomplete, PluginError
from .i18n import _

LOG = "gimp-plugin.log"  # beside the server's


def run(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any, _data: Any) -> Any:
    """Run the procedure; whatever happens, GIMP gets return values, and the user a result or a sentence."""
    try:
        work = _load()
        result = work(procedure, run_mode, image, drawables, config)
    except BaseException as fault:  # noqa: BLE001 (an exception that leaves this function reaches the user without a word)
        return _failed(procedure, fault)
    if result is None:
        return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)
    values.remove(1)
    values.insert(1, GObject.Value(Gimp.Image, result))
    return values


def _load() -> Any:
    """Import the rest late, so that a plug-in with missing files is still in the menu and can say what to do."""
    try:
        from .run import run
    except ImportError as fault:
        raise Incomplete(
            _("The plug-in's folder {folder} is incomplete ({fault}); run: neural-upscale install gimp").format(
                folder=Path(__file__).parent.parent, fault=fault
            )
        ) from fault
    return run


def _failed(procedure: Any, fault: BaseException) -> Any:
    error = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), _sentence(fault), 0)
    return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, error)


def _sentence(fault: BaseException) -> str:
    if isinstance(fault, PluginError):
        return str(fault)
    from . import client, server  # they are there: only Incomplete, which is a PluginError, is raised without them

    if isinstance(fault, client.ClientError):
        return server.sentence(fault)
    return _("Neural Upscale met an unexpected error ({fault!r}); {where}. If the image changed, undo it.").format(
        fault=fault, where=client.log_fault(fault, LOG)
    )
