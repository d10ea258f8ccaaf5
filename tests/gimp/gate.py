"""A gate between the plug-in and the real server: passes everything on, but can hold back or cut off an answer.

A test thus decides when the server "has worked" without waiting for a slow model; the bytes are the server's own.
"""

from __future__ import annotations

import socket
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HOLD, HELD, CUT = (
    "gate-hold",
    "gate-held",
    "gate-cut",
)  # files in the shared folder: what the gate is to do, and what it saw


class Gate:
    """Listens on a port of its own; `folder` holds the files by which both sides of the wall talk."""

    def __init__(self, url: str, folder: Path) -> None:
        parts = urllib.parse.urlsplit(url)
        self._server = (parts.hostname or "", parts.port or 0)
        self._folder = folder
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server, suppress(OSError):
            working = threading.Event()
            threading.Thread(target=_pass_on, args=(client, server, working), daemon=True).start()
            started = False
            while data := server.recv(1 << 16):
                if working.is_set() and not data.startswith(b"HTTP/1.1 100") and not started:
                    started = True
                    self._wait()
                    if (self._folder / CUT).exists():
                        client.sendall(data[: len(data) // 2])
                        client.shutdown(socket.SHUT_RDWR)
                        return
                client.sendall(data)

    def _wait(self) -> None:
        (self._folder / HELD).touch()
        while (self._folder / HOLD).exists():
            time.sleep(0.05)
        (self._folder / HELD).unlink(missing_ok=True)


def _pass_on(source: socket.socket, target: socket.socket, working: threading.Event) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            if data.startswith(b"POST /v1/upscale"):
                working.set()
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def gate(url: str, folder: Path) -> Iterator[Gate]:
    """Run a gate for as long as the block lasts."""
    made = Gate(url, folder)
    try:
        yield made
    finally:
        made.close()
