"""Connections that never send the token: idle ones, and ones that send a header byte by byte without an end."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

PAUSE = 0.5  # seconds between two bytes of each


@contextlib.contextmanager
def strangers(url: str, idle: int, dripping: int) -> Iterator[None]:
    """Hold connections for as long as the block lasts; a dripping one that the server ends is opened anew.

    Args:
        url: the server's.
        idle: connections that send nothing.
        dripping: connections that send a header without an end.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
    held = [socket.create_connection(address, timeout=10) for _ in range(idle)]
    dripped = [socket.create_connection(address, timeout=10) for _ in range(dripping)]
    ended = threading.Event()

    def drip() -> None:
        for byte in b"GET /healthz HTTP/1.1\r\nX-Long: " + b"x" * 10_000:
            for number, connection in enumerate(dripped):
                try:
                    connection.send(bytes([byte]))
                except OSError:
                    connection.close()
                    with contextlib.suppress(OSError):
                        dripped[number] = socket.create_connection(address, timeout=1)
            if ended.wait(PAUSE):
                return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        for connection in held + dripped:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
