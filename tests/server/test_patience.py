"""A client waits as long as the server says that it is well, and no longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from server import client
from server.client.protocol import proof

SIZE, FORMAT = client.Size(2, 2), client.PixelFormat("RGBA", "u8")
PAUSE = 1.2  # seconds of silence before each half of the answer


@dataclass
class SlowServer:
    runtime: client.Runtime
    well: bool = True
    stays_well: bool = True  # once it has taken a picture


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowServer]:
    monkeypatch.setattr("server.client.api.SILENCE_LIMIT", 0.3)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = b"neural-upscale" if state.well else b"something else"
            if "?challenge=" in self.path:
                self.start(name + b" " + proof("token", self.path.partition("=")[2]).encode())
            elif self.path == "/healthz":
                self.start(name)
            else:
                time.sleep(PAUSE)
                self.start(b'{"models": []}')

        def do_POST(self) -> None:
            state.well = state.stays_well
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(PAUSE)
            self.start(b"a" * 32, 64)
            self.wfile.flush()
            time.sleep(PAUSE)
            self.wfile.write(b"b" * 32)

        def start(self, body: bytes, length: int = 0) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(length or len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_about: object) -> None:
            pass

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = SlowServer(client.Runtime(f"http://127.0.0.1:{server.server_address[1]}", "token"))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def test_silence_is_borne_while_the_server_is_well(slow: SlowServer) -> None:
    assert client.upscale(slow.runtime, bytes(16), SIZE, FORMAT) == b"a" * 32 + b"b" * 32


def test_a_server_that_still_loads_is_waited_for_before_it_lists_its_models(slow: SlowServer) -> None:
    assert client.models(slow.runtime) == {"models": []}


def test_silence_of_a_server_that_is_no_longer_well_ends_the_wait(slow: SlowServer) -> None:
    slow.stays_well = False
    with pytest.raises(client.ServerDied, match="its log says why"):
        client.upscale(slow.runtime, bytes(16), SIZE, FORMAT)


def test_cancel_ends_a_patient_wait_at_once(slow: SlowServer) -> None:
    cancel = client.Cancel()
    threading.Timer(0.5, cancel.cancel).start()
    begun = time.monotonic()
    with pytest.raises(client.Cancelled):
        client.upscale(slow.runtime, bytes(16), SIZE, FORMAT, cancel=cancel)
    assert time.monotonic() - begun < PAUSE
