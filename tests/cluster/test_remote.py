"""A server elsewhere: behind a real nginx with the configuration of docs/remote.md, found by a hand-written file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from server import client
from server.errors import CannotStart
from server.runtime_file import write_runtime
from tests.cluster.tls_proxy import NAME, Proxy, tls_proxy
from tests.hosts.model_server import PAIR, ModelServer, serving
from tests.import_graph import ROOT

SIZE = client.Size(1024, 768)
FORMAT = client.PixelFormat("RGBA", "f32")
PIXELS = np.random.default_rng(3).random((SIZE.height, SIZE.width, 4), np.float32).tobytes()
PATIENCE = 60
ATTEMPTS = 15
STUDIO = "upscale.studio.test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with serving(tmp_path_factory.mktemp("behind"), "--trusted-host", STUDIO, "--engine", "torch") as found:
        yield found


@pytest.fixture(scope="module")
def proxy(server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with tls_proxy(server.url, tmp_path_factory.mktemp("nginx")) as found:
        yield found


@pytest.fixture
def runtime_file(server: ModelServer, proxy: Proxy, tmp_path: Path) -> Path:
    """What docs/remote.md has a user write."""
    (tmp_path / "server.crt").write_bytes(proxy.certificate.read_bytes())
    return written(tmp_path, url=proxy.url, token=server.token, ca_file="server.crt")


def written(folder: Path, **contents: str) -> Path:
    path = folder / "runtime.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(contents))
    return path


def must_not_run(folder: Path) -> list[str]:
    return [sys.executable, "-c", f"open({str(folder / 'was-run')!r}, 'w')"]


def wait_until(condition: Callable[[], bool], complaint: str) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            pytest.fail(complaint)
        time.sleep(0.05)


def requests_under_way(server: ModelServer) -> int:
    return int(server.get("/v1/status")["queue"]["requests"])


def head(server: ModelServer, token: str, host: str = NAME) -> bytes:
    query = f"width={SIZE.width}&height={SIZE.height}&layout=RGBA&depth=f32&model={PAIR}"
    lines = [f"POST /v1/upscale?{query} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {token}"]
    lines += ["Content-Type: application/octet-stream", f"Content-Length: {len(PIXELS)}", "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode()


def test_the_plugins_way_of_finding_a_server_gives_the_remote_one_and_its_exact_pixels(
    server: ModelServer, runtime_file: Path, tmp_path: Path
) -> None:
    runtime = client.find_or_start(must_not_run(tmp_path), runtime=runtime_file)
    size = client.Size(SIZE.width, 100)
    pixels = PIXELS[: FORMAT.byte_count(size)]
    found = client.upscale(runtime, pixels, size, FORMAT, client.Options(PAIR))
    assert found == server.upscale(pixels, size.width, size.height, "RGBA", "f32", model=PAIR)
    assert not (tmp_path / "was-run").exists()


def test_the_command_line_uses_the_remote_server(runtime_file: Path, tmp_path: Path) -> None:
    picture = tmp_path / "small.png"
    Image.new("RGB", (40, 30), (10, 120, 200)).save(picture)
    environment = {**os.environ, "NEURAL_UPSCALE_RUNTIME": str(runtime_file)}
    command = [sys.executable, "-c", "import sys; from server.cli import main; sys.exit(main())"]
    command += [str(picture), "--model", PAIR]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "small-x2.png") as result:
        assert result.size == (80, 60)


def test_an_upload_goes_through_as_it_comes(server: ModelServer, proxy: Proxy) -> None:
    """The server refuses by the header alone, and its refusal is there long before the upload ends."""
    with proxy.connect() as connection:
        connection.sendall(head(server, "0" * 32) + PIXELS[: 1 << 20])
        assert connection.recv(16).startswith(b"HTTP/1.1 401")
    assert proxy.buffered() == []


def test_a_download_goes_no_faster_than_its_reader_and_never_to_disk(server: ModelServer, proxy: Proxy) -> None:
    with proxy.connect() as connection:
        connection.sendall(head(server, server.token) + PIXELS)
        received = bytearray(connection.recv(1 << 16))
        wait_until(lambda: has_stalled(server), "the server did not wait for the reader")
        assert requests_under_way(server) == 1
        assert proxy.buffered() == []
        while piece := connection.recv(1 << 20):
            received += piece
    assert len(received.partition(b"\r\n\r\n")[2]) == 4 * len(PIXELS)


def has_stalled(server: ModelServer) -> bool:
    """Return whether nothing runs nor waits, over a second, while the request is not at its end."""
    for _ in range(5):
        queue = server.get("/v1/status")["queue"]
        if queue["running"] or queue["waiting"] or not queue["requests"]:
            return False
        time.sleep(0.2)
    return True


def test_cancelling_reaches_the_server_within_a_tile(server: ModelServer, runtime_file: Path) -> None:
    runtime, cancel, raised = client.read_runtime(runtime_file), client.Cancel(), []

    def work() -> None:
        try:
            client.upscale(runtime, PIXELS, SIZE, FORMAT, client.Options("slow"), cancel=cancel)
        except client.ClientError as fault:
            raised.append(type(fault))

    thread = threading.Thread(target=work)
    thread.start()
    wait_until(lambda: bool(server.get("/v1/status")["queue"]["running"]), "the picture was not begun")
    cancel.cancel()
    thread.join(PATIENCE)
    assert raised == [client.Cancelled]
    wait_until(lambda: requests_under_way(server) == 0, "the server went on")
    assert server.get("/v1/status")["queue"]["waiting"] == 0


def test_a_refusal_in_the_middle_of_an_upload_is_told_as_what_it_is(proxy: Proxy, runtime_file: Path) -> None:
    runtime = client.Runtime(proxy.url, "0" * 32, ca_file=str(proxy.certificate), remote=True)
    for _ in range(ATTEMPTS):  # whether nginx writes or reads first is chance
        with pytest.raises(client.Refused, match="token") as refused:
            client.upscale(runtime, PIXELS, SIZE, FORMAT)
        assert refused.value.status == 401


@pytest.mark.parametrize(("host", "status"), [(STUDIO, b"200"), ("other.test", b"403")])
def test_a_name_must_be_among_the_trusted_hosts(host: str, status: bytes, server: ModelServer, proxy: Proxy) -> None:
    with proxy.connect() as connection:
        lines = ["GET /v1/models HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {server.token}"]
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        assert connection.recv(64).split()[1] == status


def test_a_certificate_must_be_trusted_and_for_the_name(server: ModelServer, proxy: Proxy, tmp_path: Path) -> None:
    unknown = written(tmp_path, url=proxy.url, token=server.token)
    with pytest.raises(client.UntrustedServer, match="cannot prove who it is"):
        client.find_or_start(must_not_run(tmp_path), runtime=unknown)
    other_name = f"https://127.0.0.1:{proxy.port}"
    named = written(tmp_path, url=other_name, token=server.token, ca_file=str(proxy.certificate))
    with pytest.raises(client.UntrustedServer, match=r"127\.0\.0\.1"):
        client.find_or_start(must_not_run(tmp_path), runtime=named)
    gone = written(tmp_path, url=proxy.url, token=server.token, ca_file="nothing.crt")
    with pytest.raises(client.UntrustedServer, match=r"nothing\.crt .* cannot be used"):
        client.find_or_start(must_not_run(tmp_path), runtime=gone)
    assert not (tmp_path / "was-run").exists()


def test_no_server_is_started_in_place_of_a_remote_one_that_does_not_answer(tmp_path: Path) -> None:
    dead = written(tmp_path, url="https://127.0.0.1:9", token="t")
    with pytest.raises(client.NoServer, match="ask whoever runs it"):
        client.find_or_start(must_not_run(tmp_path), runtime=dead)
    assert not (tmp_path / "was-run").exists()


def test_a_server_does_not_overwrite_a_runtime_file_that_names_a_remote_one(tmp_path: Path) -> None:
    path = written(tmp_path, url="https://upscale.example", token="t")
    before = path.read_bytes()
    with pytest.raises(CannotStart, match=r"names the server at https://upscale\.example"):
        write_runtime(path, client.Runtime("http://127.0.0.1:1", "token", os.getpid(), "1"))
    assert path.read_bytes() == before
