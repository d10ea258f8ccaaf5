"""The server as a process: start, address taken, signals, the end when unused."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests

from server import client
from tests.hosts.model_server import serving

ROOT = Path(__file__).parents[2]


def run(runtime: Path, *flags: str, program: tuple[str, ...] = ("-m", "server")) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program, *flags], capture_output=True, text=True, timeout=60, cwd=ROOT,
        env={**os.environ, "NEURAL_UPSCALE_RUNTIME": str(runtime)},
    )  # fmt: skip


def test_a_second_server_on_the_same_port_says_who_has_it(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        port = urlsplit(first.url).port
        second = run(first.runtime, "--port", str(port))
        assert second.returncode == 1
        assert f"Port {port} is taken by a Neural Upscale server, process {first.process.pid}" in second.stderr
        assert "Traceback" not in second.stderr
        elsewhere = run(tmp_path / "other.json", "--port", str(port))
        assert "does not know" in elsewhere.stderr
        assert client.is_healthy(client.read_runtime(first.runtime))  # the first one's file is untouched


def test_a_port_of_another_program_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        other.settimeout(0)
        told = run(tmp_path / "runtime.json", "--port", str(port))
    assert told.returncode == 1
    assert f"Port {port} is taken by another program" in told.stderr
    assert not (tmp_path / "runtime.json").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--port", "70000"], "--port is 70000; expected 0…65535"),
        (["--host", "0.0.0.0"], "expected a --token of your own"),
        (["--host", "203.0.113.7", "--token", "x" * 32], "Cannot listen on 203.0.113.7"),
        (["--weights", "/nowhere"], "/nowhere is no folder"),
        (["--max-megapixels", "0"], "--max-megapixels is 0"),
        (["--max-batch", "0"], "expected 1 or more"),
    ],
)
def test_what_cannot_be_served_is_one_sentence_and_an_exit_code(
    tmp_path: Path, flags: list[str], sentence: str
) -> None:
    told = run(tmp_path / "state" / "runtime.json", "--port", "0", *flags)
    assert told.returncode == 1
    assert sentence in told.stderr
    assert "Traceback" not in told.stderr
    assert not (tmp_path / "state").exists()


def test_a_device_that_is_not_there_ends_the_server_with_a_sentence(tmp_path: Path) -> None:
    told = run(tmp_path / "runtime.json", "--port", "0", "--device", "cuda:99")
    assert "'cuda:99'; this machine has cpu" in told.stderr
    assert not (tmp_path / "runtime.json").exists()


def test_a_folder_that_others_may_write_to_takes_no_token(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    told = run(folder / "runtime.json", "--port", "0")
    assert told.returncode == 1
    assert f"chmod 700 {folder}" in told.stderr
    assert list(folder.iterdir()) == []


def test_sigterm_cuts_running_replies_short_and_exits_with_0(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        side = 1200
        connection = socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port), timeout=60)
        with connection:
            connection.sendall(
                f"POST /v1/upscale?width={side}&height={side}&layout=RGBA&depth=f32&model=slow HTTP/1.1\r\n"
                f"Host: {urlsplit(server.url).netloc}\r\nAuthorization: Bearer {server.token}\r\n"
                f"Content-Length: {side * side * 16}\r\n\r\n".encode()
            )
            connection.sendall(np.zeros((side, side, 4), np.float32).tobytes())
            deadline = time.monotonic() + 60
            while not server.get("/v1/status")["queue"]["running"]:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            begun = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            received = 0
            while piece := connection.recv(1 << 20):
                received += len(piece)
        assert server.process.wait(30) == 0
        assert time.monotonic() - begun < 12  # five seconds, on a machine that does nothing else
        assert received < side * side * 64
        assert not server.runtime.exists()


def test_a_server_that_nobody_uses_ends_by_itself(tmp_path: Path) -> None:
    with serving(tmp_path, "--idle-exit", "1") as server:
        assert server.process.wait(60) == 0
        assert "unused, ending" in server.log.read_text()


def test_healthz_answers_before_torch_is_there(tmp_path: Path) -> None:
    """The web side does not import torch; the loader does, behind it."""
    told = subprocess.run(
        [sys.executable, "-c", "import sys, server.http.app, server.http.waitress_server, server.serve; "
         "print(sorted({'torch', 'PIL'} & set(sys.modules)))"],
        capture_output=True, text=True, timeout=60, cwd=ROOT, check=True,
    )  # fmt: skip
    assert "torch" not in told.stdout


def test_every_log_line_is_json_and_failures_carry_the_request_id(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        answer = requests.get(server.url + "/nothing", headers={"Authorization": f"Bearer {server.token}"}, timeout=10)
        # The first lines are the greeting, for people.
        lines = [line for line in server.log.read_text().splitlines() if line.startswith("{")]
        assert len(server.log.read_text().splitlines()) - len(lines) <= 2
        told = [json.loads(line) for line in lines]
    assert any(line.get("request_id") == answer.json()["request_id"] and line["status"] == 404 for line in told)
    assert all({"time", "level", "message"} <= set(line) for line in told)


def test_killed_in_mid_stream_the_client_says_so(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        runtime = client.read_runtime(server.runtime)
        size = client.Size(1500, 1500)
        pixel_format = client.PixelFormat("RGBA", "u8")
        pieces = client.iter_pixels(runtime, bytes(pixel_format.byte_count(size)), size, pixel_format, model="fixed")
        next(pieces)
        server.process.kill()
        with pytest.raises(client.ServerDied, match=r"The server .*Try again"):
            for _ in pieces:
                pass
        server.process.wait()
