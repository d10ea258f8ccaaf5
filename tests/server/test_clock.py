"""The wall clock may be set, and a machine may sleep; a reply that is under way ends all the same."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.hosts.model_server import PROJECT, make_models
from tests.hosts.started_server import started_server

SIDE = 1800  # pixels; the reply is larger than what all buffers on the way take
CLOCK = """
import os, time
clock = time.time
time.time = lambda: clock() + float(open(os.environ["CLOCK_SET_BY"]).read())
"""


@pytest.mark.parametrize("seconds", [3600, -3600], ids=["forward", "back"])
def test_a_reply_outlives_a_wall_clock_that_is_set(tmp_path: Path, seconds: int) -> None:
    (tmp_path / "weights").mkdir()
    make_models(tmp_path / "weights")
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    set_by = tmp_path / "clock"
    set_by.write_text("0")
    environment = {"PYTHONPATH": f"{tmp_path}:{PROJECT}", "CLOCK_SET_BY": str(set_by), "OMP_NUM_THREADS": "1"}
    flags = ["--weights", str(tmp_path / "weights"), "--stall-limit", "20"]
    log = tmp_path / "log"
    with started_server(flags, tmp_path / "runtime.json", log, environment, tmp_path) as server:
        parts = urlsplit(server.url)
        head = [
            f"POST /v1/upscale?width={SIDE}&height={SIDE}&layout=RGB&depth=f32&model=fixed HTTP/1.1",
            f"Host: {parts.netloc}", f"Authorization: Bearer {server.token}", "Connection: close",
            f"Content-Length: {SIDE * SIDE * 12}", "", "",
        ]  # fmt: skip
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60) as connection:
            connection.sendall("\r\n".join(head).encode())
            connection.sendall(bytes(SIDE * SIDE * 12))
            got = len(connection.recv(65536))
            time.sleep(1)  # the buffers fill
            set_by.write_text(str(seconds))
            time.sleep(3)  # the server looks at its connections every second
            while piece := connection.recv(1 << 20):
                got += len(piece)
    assert got > SIDE * SIDE * 48, log.read_text()[-500:]
