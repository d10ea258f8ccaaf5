"""How this plug-in finds its server: by the installer's record beside it, else by what lies on the search path."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .shared import client

RECORD = Path(__file__).with_name("install.json")


def installation() -> client.Installation:
    """Give the installer's record, or what the search path has."""
    return client.installation_beside(RECORD)


def log_of_server() -> Path | None:
    """Give the path of the log of servers that this plug-in starts; None when the record cannot be used."""
    try:
        return installation().log
    except client.ClientError:
        return None


def running() -> client.Runtime | None:
    """Give the server if it runs; starts none."""
    try:
        runtime = client.read_runtime(installation().runtime)
    except client.ClientError:
        return None
    return runtime if client.is_healthy(runtime) else None


def connect(on_wait: Callable[[float], None], cancel: client.Cancel) -> client.Runtime:
    """Give the server, started if need be.

    Args:
        on_wait: called with the seconds waited for a server that starts.
        cancel: ends the waiting.

    Returns:
        A server that answered.

    Raises:
        ClientError: there is none; the sentence says what to do.
    """
    record = installation()
    if record.command:
        return client.find_or_start(
            record.command, runtime=record.runtime, log=record.log, on_wait=on_wait, cancel=cancel
        )
    found = running()
    if found is None:
        raise client.NoServer(
            "No model server answers, and the program neural-upscale is not on this computer's search path. Install "
            "Neural Upscale, then type in a terminal: neural-upscale serve"
        )
    return found
