"""Turns every fault into a sentence for the user; the log gets the traceback of those that nobody foresaw."""

from __future__ import annotations

from pathlib import Path

from . import client
from .errors import ServerFailed, UpscaleError

LOG = "krita-plugin.log"  # beside the server's


def as_upscale_error(fault: BaseException, server_log: Path | None = None) -> UpscaleError:
    """Turn any fault into an error whose text is a sentence for the user.

    Args:
        fault: what was raised.
        server_log: where the server writes; named when the server is at fault.

    Returns:
        The error to show or raise; `fault` itself when it already is one.
    """
    if isinstance(fault, UpscaleError):
        return fault
    if isinstance(fault, client.ClientError):
        text = str(fault)
        return ServerFailed(text if server_log is None or str(server_log) in text else f"{text} (log: {server_log})")
    where = client.log_fault(fault, LOG)
    return UpscaleError(f"Neural Upscale met an unexpected error ({fault!r}); {where}. The document was not changed.")
