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
from tests.hosts.model_server import ModelServer, make_models, serving

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
    assert f'chmod 700 "{folder}"' in told.stderr
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
        end = time.monotonic() + 10
        while answer.json()["request_id"] not in server.log.read_text() and time.monotonic() < end:
            time.sleep(0.05)  # the line is written once the answer has been
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
        pieces = client.iter_pixels(
            runtime, bytes(pixel_format.byte_count(size)), size, pixel_format, client.Options("fixed")
        )
        next(pieces)
        server.process.kill()
        with pytest.raises(client.ServerDied, match=r"The server .*Try again"):
            for _ in pieces:
                pass
        server.process.wait()


def busy(server: ModelServer) -> socket.socket:
    """Send the server a picture that takes it long, and wait until it is at it."""
    side = 1200
    connection = socket.create_connection((urlsplit(server.url).hostname, urlsplit(server.url).port), timeout=60)
    connection.sendall(
        f"POST /v1/upscale?width={side}&height={side}&layout=GRAY&depth=u8&model=slow HTTP/1.1\r\n"
        f"Host: {urlsplit(server.url).netloc}\r\nAuthorization: Bearer {server.token}\r\n"
        f"Content-Length: {side * side}\r\n\r\n".encode()
        + bytes(side * side)
    )
    deadline = time.monotonic() + 180  # the model is loaded first
    while not server.get("/v1/status")["queue"]["running"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return connection


@pytest.mark.parametrize("pause", [0.0, 0.05, 1.0])
def test_a_second_signal_ends_the_server_at_once_and_in_order(tmp_path: Path, pause: float) -> None:
    with serving(tmp_path) as server:
        with busy(server):
            server.process.send_signal(signal.SIGTERM)
            time.sleep(pause)
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(30) == 0
        assert not server.runtime.exists()
        assert "Traceback" not in server.log.read_text()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
def test_a_terminal_that_closes_takes_the_runtime_file_with_the_server(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # what nohup ignores, its children ignore too
    try:
        with serving(tmp_path) as server:
            server.process.send_signal(signal.SIGHUP)
            assert server.process.wait(30) == 0
            assert not server.runtime.exists()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_strangers_keep_no_unused_server_alive(tmp_path: Path) -> None:
    with serving(tmp_path, "--idle-exit", "5") as server:
        until = time.monotonic() + 60
        while server.process.poll() is None:
            assert time.monotonic() < until
            for route in ("/", "/static/page.js", "/healthz", "/static/nothing", "/v1/status"):
                try:
                    requests.get(server.url + route, timeout=10)
                except requests.ConnectionError:
                    break
        assert server.process.returncode == 0


def test_a_log_that_nobody_reads_keeps_no_request_waiting(tmp_path: Path) -> None:
    """Standard error is a pipe here, which takes 64 KiB; then whoever writes there waits for ever."""
    models = tmp_path / "weights"
    models.mkdir()
    make_models(models)
    runtime = tmp_path / "runtime.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "--port", "0", "--weights", str(models)], cwd=ROOT, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, env={**os.environ, "NEURAL_UPSCALE_RUNTIME": str(runtime)},
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not runtime.exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        told = client.read_runtime(runtime)
        for _ in range(600):
            answer = requests.get(
                f"{told.url}/v1/nothing/{'x' * 300}", timeout=20, headers={"Authorization": f"Bearer {told.token}"}
            )
            assert answer.status_code == 404
        assert client.status(told)["name"] == "neural-upscale"
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


def test_the_token_comes_from_a_file_or_the_environment_and_is_never_printed_where_no_person_reads(
    tmp_path: Path,
) -> None:
    token = "a-token-of-the-owners-own"
    file = tmp_path / "token"
    file.write_text(token + "\n")
    file.chmod(0o604)
    told = run(tmp_path / "runtime.json", "--port", "0", "--token-file", str(file))
    assert told.returncode == 1
    assert f'chmod o= "{file}"' in told.stderr
    missing = run(tmp_path / "runtime.json", "--port", "0", "--token-file", str(tmp_path / "nothing"))
    assert "cannot be read" in missing.stderr
    file.chmod(0o600)
    with serving(tmp_path, "--token-file", str(file)) as server:
        assert server.token == token
        assert token not in server.log.read_text()
        assert "Its page: neural-upscale open" in server.log.read_text()
        command = Path(f"/proc/{server.process.pid}/cmdline")
        assert not command.exists() or token not in command.read_text()


def test_a_token_of_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEURAL_UPSCALE_TOKEN", "a-token-of-the-environment")
    with serving(tmp_path) as server:
        assert server.token == "a-token-of-the-environment"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_person_is_shown_the_pages_address(tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    runtime = tmp_path / "runtime.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "server", "--port", "0"], cwd=ROOT, stdout=theirs, stderr=subprocess.DEVNULL,
        env={**os.environ, "NEURAL_UPSCALE_RUNTIME": str(runtime)},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while b"#token=" not in shown:
        shown += os.read(ours, 4096)
    assert client.read_runtime(runtime).token.encode() in shown
    process.terminate()
    assert process.wait(30) == 0
    os.close(ours)
