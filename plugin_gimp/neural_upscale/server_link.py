"""The window's view of the server: asked in a thread, answered in the window's own. Never blocks, never raises."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from gi.repository import GLib

from .funnel import RECORD
from .shared import client

Found = Callable[[client.Runtime, dict[str, Any]], None]
Missing = Callable[[str], None]


def look(found: Found, missing: Missing) -> None:
    """Look for a running server and its models, without starting one.

    Args:
        found: called with the server and its answer to `/v1/models`.
        missing: called with a sentence when there is none.
    """
    _in_thread(_running, found, missing)


def start(found: Found, missing: Missing) -> None:
    """Start a server, or find the one that runs; then as `look`."""
    _in_thread(_started, found, missing)


def _running() -> client.Runtime:
    runtime = client.read_runtime(client.read_installation(RECORD).runtime)
    if not client.is_healthy(runtime):
        raise client.NoServer(f"No server answers at {runtime.url}.")
    return runtime


def _started() -> client.Runtime:
    record = client.read_installation(RECORD)
    return client.find_or_start(record.command, runtime=record.runtime, log=record.log)


def _in_thread(find: Callable[[], client.Runtime], found: Found, missing: Missing) -> None:
    def work() -> None:
        try:
            runtime = find()
            models = client.models(runtime)
        except client.ClientError as fault:
            GLib.idle_add(missing, str(fault))
        else:
            GLib.idle_add(found, runtime, models)

    threading.Thread(target=work, name="server", daemon=True).start()
