"""What both plug-ins need beside the pixels: their server, by the installer's record, and a log of unforeseen faults.

Standard library only: this package is copied whole into both plug-ins. Knows no editor.
"""

from __future__ import annotations

import datetime
import traceback
import uuid
from collections.abc import Callable
from pathlib import Path

from .connection import check_health
from .protocol import Cancel, NoServer, Runtime
from .records import log_path, read_runtime
from .start import find_or_start, installation_beside

LARGEST_LOG = 1 << 20  # bytes; a larger log is started anew


def running_server(record: Path) -> Runtime:
    """Return the server that runs, and start none.

    Args:
        record: the path of the installer's record, which need not exist.

    Returns:
        A server that answered.

    Raises:
        ClientError: no server runs, or its runtime file cannot be used.
    """
    runtime = read_runtime(installation_beside(record).runtime)
    check_health(runtime)
    return runtime


def connect(record: Path, on_wait: Callable[[float], None] | None = None, cancel: Cancel | None = None) -> Runtime:
    """Return the server that runs, or start one.

    Args:
        record: the path of the installer's record, which need not exist.
        on_wait: called with the seconds waited for a server that starts.
        cancel: ends the waiting.

    Returns:
        A server that answered.

    Raises:
        ClientError: there is none; the sentence says what to do.
    """
    found = installation_beside(record)
    if found.command:
        return find_or_start(found.command, runtime=found.runtime, log=found.log, on_wait=on_wait, cancel=cancel)
    try:
        return running_server(record)
    except NoServer:
        raise NoServer(
            "No model server answers, and the program neural-upscale is not on this computer's search path. Install "
            "Neural Upscale, then type in a terminal: neural-upscale serve"
        ) from None


def log_fault(fault: BaseException, name: str) -> str:
    """Append the traceback of a fault that nobody foresaw to a plug-in's log, under an id.

    Args:
        fault: what was raised.
        name: the name of the log, which lies beside the server's.

    Returns:
        A clause for the user's message: which log has the details under which id, or why no log could be written.
    """
    key = uuid.uuid4().hex[:8]
    try:
        path = log_path().with_name(name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = "w" if path.exists() and path.stat().st_size > LARGEST_LOG else "a"
        with path.open(mode, encoding="utf-8") as file:
            file.write(f"{datetime.datetime.now().isoformat(timespec='seconds')} log id {key}\n")
            file.writelines(traceback.format_exception(fault))
    except Exception as second:  # noqa: BLE001 (the user must hear of the first fault, whatever befalls the log)
        return f"no log could be written ({second})"
    return f"{path} has the details under log id {key}"
