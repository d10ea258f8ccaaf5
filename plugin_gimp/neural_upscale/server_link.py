"""How the plug-in finds its server. `look` and `start` do it for the window: in a thread, answered in the window's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from gi.repository import GLib

from .funnel import RECORD
from .shared import client
from .words import _

Found = Callable[[client.Runtime, dict[str, Any]], None]
Missing = Callable[[str], None]


def running() -> client.Runtime:
    """Give the server that runs.

    Returns:
        A server that answered.

    Raises:
        NoServer: none does.
    """
    runtime = client.read_runtime(client.installation_beside(RECORD).runtime)
    if not client.is_healthy(runtime):
        raise client.NoServer(
            _("No server answers at {url}; start one with: neural-upscale serve").format(url=runtime.url)
        )
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
    record = client.installation_beside(RECORD)
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
