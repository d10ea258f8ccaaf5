"""The plug-in's own log: a traceback for whoever looks into it, while the user reads a sentence."""

from __future__ import annotations

import datetime
import traceback
from pathlib import Path

from .errors import ServerFailed, UpscaleError
from .shared import client

LARGEST = 1 << 20  # bytes, then the log starts again


def path() -> Path:
    """Give the log's path: beside the server's log."""
    return client.log_path().with_name("krita-plugin.log")


def as_upscale_error(fault: BaseException, server_log: Path | None = None) -> UpscaleError:
    """Turn any fault into a sentence; what nobody foresaw goes to the log with its traceback.

    Args:
        fault: what was raised.
        server_log: where the server writes; named when the server is at fault.

    Returns:
        The error to show or raise; `fault` itself when it already is one.
    """
    if isinstance(fault, UpscaleError):
        return fault
    if isinstance(fault, client.ClientError):
        told = str(fault)
        return ServerFailed(told if server_log is None or str(server_log) in told else f"{told} (log: {server_log})")
    written = write(fault)
    where = f"the details are in {written}" if written else "no log could be written"
    return UpscaleError(f"Neural Upscale met an unexpected error ({fault!r}); {where}. The document was not changed.")


def write(fault: BaseException) -> Path | None:
    """Append a traceback to the log; None when that is impossible."""
    target = path()
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep = target.exists() and target.stat().st_size < LARGEST
        with target.open("a" if keep else "w", encoding="utf-8") as file:
            file.write(f"{datetime.datetime.now().isoformat(timespec='seconds')}\n")
            file.writelines(traceback.format_exception(type(fault), fault, fault.__traceback__))
    except OSError:
        return None
    return target
