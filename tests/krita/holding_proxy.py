"""A TCP relay in front of the real server that a script inside Krita can make hold back, or break off, the answers.

The script does it by files in its job folder: while `hold` exists, an answer to /v1/upscale stops after as many bytes
as it says; when `drop` exists, the connection is closed after the first ones. When Krita's side hangs up, so does the
relay, at once.
"""

from __future__ import annotations

import contextlib
import json
import math
import select
import socket
import threading
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.model_server import ModelServer

FIRST = 1 << 16  # bytes of an answer that pass at least


@dataclass(frozen=True)
class HoldingProxy:
    """The relay: where it listens, where it leads to, and the folder with the files that steer it."""

    listener: socket.socket
    target: tuple[str, int]
    folder: Path

    def announce(self, server: ModelServer) -> None:
        """Write the runtime file that leads Krita here instead of to the server."""
        path = self.folder / "runtime.json"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        port = self.listener.getsockname()[1]
        told = {"url": f"http://127.0.0.1:{port}", "token": server.token, "pid": 0, "version": "test"}
        path.write_text(json.dumps(told), encoding="utf-8")

    def serve(self) -> None:
        """Relay connections until the listener is closed."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(self.target) as server, contextlib.suppress(OSError):
            asked, answered = False, 0
            while True:
                started = asked and answered >= FIRST
                if started and (self.folder / "drop").exists():
                    return
                waiting = started and answered >= self._allowed()
                readable = select.select([client] if waiting else [client, server], [], [], 0.05)[0]
                if client in readable:
                    data = client.recv(FIRST)
                    if not data:
                        return
                    asked = asked or data.startswith(b"POST /v1/upscale")
                    server.sendall(data)
                if server in readable and not waiting:
                    data = server.recv(FIRST)
                    if not data:
                        return
                    answered += len(data)
                    client.sendall(data)

    def _allowed(self) -> float:
        try:
            return float((self.folder / "hold").read_text() or FIRST)
        except FileNotFoundError:
            return math.inf


@contextlib.contextmanager
def holding_proxy(server: ModelServer, folder: Path) -> Iterator[HoldingProxy]:
    """Run a relay to `server` that the files in `folder` steer."""
    address = urllib.parse.urlsplit(server.url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = HoldingProxy(listener, (str(address.hostname), int(address.port or 0)), folder)
        threading.Thread(target=proxy.serve, daemon=True).start()
        proxy.announce(server)
        yield proxy
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        time.sleep(0.05)
