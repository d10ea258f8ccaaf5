"""The one way out of a run: its result, or a sentence for the user; the log gets the traceback under an id."""

from __future__ import annotations

import traceback
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from gi.repository import Gimp, GLib, GObject

from .errors import Incomplete, PluginError
from .words import _

RECORD = Path(__file__).parent.parent / "install.json"
LARGEST_LOG = 1 << 20  # bytes, then it starts again


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
                folder=RECORD.parent, fault=fault
            )
        ) from fault
    return run


def _failed(procedure: Any, fault: BaseException) -> Any:
    sentence = str(fault) if _is_foreseen(fault) else _unforeseen(fault)
    error = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), sentence, 0)
    return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, error)


def _is_foreseen(fault: BaseException) -> bool:
    if isinstance(fault, PluginError):
        return True
    try:
        from .shared import client
    except ImportError:
        return False
    return isinstance(fault, client.ClientError)


def _unforeseen(fault: BaseException) -> str:
    key = uuid.uuid4().hex[:8]
    try:
        path = _log_path()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = "w" if path.exists() and path.stat().st_size > LARGEST_LOG else "a"
        with path.open(mode, encoding="utf-8") as log:
            log.write(f"{datetime.now().isoformat(timespec='seconds')} log id {key}\n")
            log.writelines(traceback.format_exception(fault))
        where = _("{path} has the details under log id {key}").format(path=path, key=key)
    except Exception as second:  # noqa: BLE001 (the user must hear of the first fault, whatever befalls the log)
        where = _("no log could be written ({fault})").format(fault=second)
    told = f"{type(fault).__name__}: {fault}".rstrip(": ")
    return _(
        "Neural Upscale met something unforeseen ({told}); {where}. If the image changed, undo brings it back."
    ).format(told=told, where=where)


def _log_path() -> Path:
    from .shared import client

    return client.log_path().with_name("gimp-plugin.log")
