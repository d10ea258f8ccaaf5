"""A model server that only repeats every pixel: for what a plug-in costs around the network."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import numpy

from server.client.protocol import proof


@contextmanager
def copying_server(runtime: Path) -> Iterator[list[float]]:
    """Run one for pixels of four bytes, and announce it in `runtime`.

    Args:
        runtime: the runtime file to write.

    Yields:
        The seconds that each answer took it, beside receiving and sending.
    """
    took: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            challenge = parse_qs(urlparse(self.path).query).get("challenge", [""])[0]
            self.give(b"neural-upscale" + (f" {proof('none', challenge)}".encode() if challenge else b""))

        def do_POST(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlparse(self.path).query).items()}
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if urlparse(self.path).path == "/v1/cleanup":
                self.give(b'{"cleanup": null}')  # its one model takes none
                return
            begun = time.monotonic()
            pixels = numpy.frombuffer(body, "u4").reshape(int(query["height"]), int(query["width"]))
            made = pixels.repeat(2, 0).repeat(2, 1).tobytes()
            took.append(time.monotonic() - begun)
            self.give(made)

        def give(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_about: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    runtime.unlink(missing_ok=True)
    runtime.touch(mode=0o600)
    runtime.write_text(json.dumps({"url": f"http://127.0.0.1:{server.server_address[1]}", "token": "none", "pid": 0}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield took
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
