"""How the plug-in finds its server. `look` and `start` do it for the window: in a thread, answered in the window's."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from typing import Any

from gi.repository import GLib

from .funnel import RECORD
from .shared import client

Found = Callable[[client.Runtime, dict[str, Any]], None]
Missing = Callable[[str], None]


def installation() -> client.Installation:
    """Give the installer's record; one made up from the search path where the plug-in came as a zip.

    Returns:
        The record; its command is empty when no program was found.
    """
    if RECORD.exists():
        return client.read_installation(RECORD)
    program = shutil.which("neural-upscale")
    return client.Installation((program, "serve") if program else (), client.runtime_path(), client.log_path(), "")


def running() -> client.Runtime:
    """Give the server that runs.

    Returns:
        A server that answered.

    Raises:
        NoServer: none does.
    """
    runtime = client.read_runtime(installation().runtime)
    if not client.is_healthy(runtime):
        raise client.NoServer(f"No server answers at {runtime.url}; start one with: neural-upscale serve")
    return runtime


def started(on_wait: Callable[[float], None] | None = None) -> client.Runtime:
    """Give the server that runs, or start it.

    Args:
        on_wait: called with the seconds waited for a server that starts.

    Returns:
        A server that answered.

    Raises:
        ClientError: there is none; the sentence says what to do.
    """
    record = installation()
    if not record.command:
        return running()
    return client.find_or_start(record.command, runtime=record.runtime, log=record.log, on_wait=on_wait)


def look(found: Found, missing: Missing) -> None:
    """Look for a running server and its models, without starting one.

    Args:
        found: called with the server and its answer to `/v1/models`.
        missing: called with a sentence when there is none.
    """
    _in_thread(running, found, missing)


def start(found: Found, missing: Missing) -> None:
    """Start a server, or find the one that runs; then as `look`."""
    _in_thread(started, found, missing)


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
