"""Finds the server for the window, in a thread, and hands the answer back to the window's own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gi.repository import GLib

from . import client

RECORD = Path(__file__).parent.parent / "install.json"  # the installer's
Found = Callable[[client.Runtime, dict[str, Any]], None]
Missing = Callable[[str], None]


def look(found: Found, missing: Missing) -> None:
    """Look for a running server and its models, without starting one.

    Args:
        found: called with the server and its answer to `/v1/models`.
        missing: called with a sentence when there is none.
    """
    _in_thread(client.running_server, found, missing)


def start(found: Found, missing: Missing) -> None:
    """Start a server, or find the one that runs; then do as `look` does."""
    _in_thread(client.connect, found, missing)


def _in_thread(find: Callable[[Path], client.Runtime], found: Found, missing: Missing) -> None:
    def work() -> None:
        try:
            runtime = find(RECORD)
            models = client.models(runtime)
        except client.ClientError as fault:
            GLib.idle_add(missing, str(fault))
        else:
            GLib.idle_add(found, runtime, models)

    threading.Thread(target=work, name="server", daemon=True).start()
