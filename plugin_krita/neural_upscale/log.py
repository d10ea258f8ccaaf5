"""Turns every fault into a sentence for the user; the log gets the traceback of those that nobody foresaw."""

from __future__ import annotations

import re
from pathlib import Path

from . import client
from .errors import ServerFailed, UpscaleError
from .i18n import _

LOG = "krita-plugin.log"  # beside the server's
NAMES_A_LOG = re.compile(r"log id|\.log\b")


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
        return ServerFailed(_with_log(str(fault), server_log))
    where = client.log_fault(fault, LOG)
    text = _("Neural Upscale met an unexpected error ({fault}); {where}. The document was not changed.")
    return UpscaleError(text.format(fault=f"{type(fault).__name__}: {fault}", where=where))


def _with_log(text: str, server_log: Path | None) -> str:
    """Name the server's log, unless the sentence names one already or this machine's server never wrote any."""
    if server_log is None or not server_log.exists() or NAMES_A_LOG.search(text):
        return text
    return _("{sentence} (log: {path})").format(sentence=text, path=server_log)
