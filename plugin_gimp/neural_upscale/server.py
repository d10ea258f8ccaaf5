"""Finds the server for the window, in a thread, and hands the answer back to the window's own; words its faults."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gi.repository import GLib

from . import client
from .i18n import _

RECORD = Path(__file__).parent.parent / "install.json"  # the installer's
UNAUTHORIZED = 401  # HTTP: a wrong token
Found = Callable[[client.Runtime, dict[str, Any]], None]
Missing = Callable[[str], None]


def find(found: Found, missing: Missing) -> None:
    """Find the server that runs, or start one, and ask for its models.

    Args:
        found: called with the server and its answer to `/v1/models`.
        missing: called with a sentence when there is none.
    """

    def work() -> None:
        try:
            runtime = client.connect(RECORD)
            models = client.models(runtime)
        except client.ClientError as fault:
            GLib.idle_add(missing, sentence(fault))
        else:
            GLib.idle_add(found, runtime, models)

    threading.Thread(target=work, name="server", daemon=True).start()


def sentence(fault: client.ClientError) -> str:
    """Return what a fault of the server means to somebody who uses GIMP."""
    if isinstance(fault, client.Refused) and fault.status == UNAUTHORIZED:
        return _(
            "The Neural Upscale server that answers has another token than this plug-in knows. End that server, or "
            "restart the computer, and try again: the plug-in then starts its own."
        )
    return str(fault)
