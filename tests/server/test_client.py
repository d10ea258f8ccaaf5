"""The client against servers that misbehave, and the finding and starting of a server."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server import client
from server.client.protocol import proof
from server.client.start import START_OPTIONS, clean_environment
from tests.hosts.model_server import ModelServer
from tests.server.in_process import save_compact

RGB = client.PixelFormat("RGB", "u8")
SIZE = client.Size(4, 4)
BODY = bytes(48)
ROOT = Path(__file__).parents[2]


@contextmanager
def answering(handle: Callable[[socket.socket], None]) -> Iterator[client.Runtime]:
    """Serve every connection with a function, on a real socket."""
    listening = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                handle(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield client.Runtime(f"http://127.0.0.1:{listening.getsockname()[1]}", "token")
    finally:
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def read_request(connection: socket.socket, length: int = 48, *, proves: bool = True) -> bytes:
    """Read a request; where it begins with a challenge, answer that as a real server does, and read the next."""
    seen = b""
    while proves and b"\r\n\r\n" not in seen:
        seen += connection.recv(1)
    if proves:
        challenge = seen.split(b"challenge=")[1][:64].decode()
        connection.sendall(reply(f"neural-upscale {proof('token', challenge)}".encode()))
        seen = b""
    while b"\r\n\r\n" not in seen or len(seen.partition(b"\r\n\r\n")[2]) < length:
        piece = connection.recv(65536)
        if not piece:
            break
        seen += piece
    return seen


def reply(text: bytes, *, status: str = "200 OK", length: int | None = None, more: str = "") -> bytes:
    announced = len(text) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {announced}\r\n{more}\r\n".encode() + text


def once(answer: bytes) -> Callable[[socket.socket], None]:
    def handle(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer)

    return handle


def runtime_of(server: ModelServer) -> client.Runtime:
    return client.Runtime(server.url, server.token)


def test_progress_counts_bytes_up_to_what_was_promised(model_server: ModelServer) -> None:
    seen: list[tuple[int, int]] = []
    result = client.upscale(
        runtime_of(model_server), bytes(300 * 200 * 3), client.Size(300, 200), RGB, client.Options("fixed"),
        on_progress=lambda received, promised: seen.append((received, promised)),
    )  # fmt: skip
    assert len(result) == 600 * 400 * 3
    assert seen[-1] == (600 * 400 * 3, 600 * 400 * 3)
    assert [received for received, _ in seen] == sorted(received for received, _ in seen)


def test_a_refusal_carries_name_sentence_and_log_id(model_server: ModelServer) -> None:
    with pytest.raises(client.Refused, match=r"There is no model 'nothing'.*log id") as caught:
        client.upscale(runtime_of(model_server), BODY, SIZE, RGB, client.Options("nothing"))
    assert (caught.value.status, caught.value.name) == (404, "unknown_model")
    assert caught.value.request_id in model_server.log.read_text()


def test_a_wrong_token_is_refused_before_a_large_body_is_sent(model_server: ModelServer) -> None:
    size = client.Size(3000, 3000)
    begun = time.monotonic()
    with pytest.raises(client.UntrustedServer, match="does not know the token"):
        client.upscale(client.Runtime(model_server.url, "wrong"), bytes(RGB.byte_count(size)), size, RGB)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("size", [client.Size(0, 4), client.Size(4, 5), client.Size(-4, -4)])
def test_pixels_that_do_not_fit_are_not_sent(size: client.Size) -> None:
    with pytest.raises(client.WrongPixels, match="48 bytes of pixels came"):
        client.upscale(client.Runtime("http://127.0.0.1:9", "token"), BODY, size, RGB)


def test_nobody_answers() -> None:
    with pytest.raises(client.NoServer, match="neural-upscale serve"):
        client.status(client.Runtime("http://127.0.0.1:9", "token"))


def test_a_url_that_is_none() -> None:
    with pytest.raises(client.NoServer, match="expected http"):
        client.status(client.Runtime("ftp://x", "token"))


@pytest.mark.parametrize(
    ("answer", "error", "sentence"),
    [
        (b"", client.ServerDied, "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", client.WrongAnswer, "announced nothing"),
        (b"SSH-2.0-OpenSSH_9\r\n", client.ServerDied, "broke off"),
        (reply(bytes(100), length=192), client.ServerDied, "100 of 192 bytes"),
        (reply(bytes(100)), client.WrongAnswer, "announced 100 bytes, expected 192"),
        (reply(b"oops", status="500 Oops"), client.Refused, "answered 500"),
        (reply(b'["list"]', status="502 Bad"), client.Refused, "answered 502"),
    ],
)
def test_an_answer_that_is_wrong_is_one_sentence(answer: bytes, error: type[Exception], sentence: str) -> None:
    with answering(once(answer)) as runtime, pytest.raises(error, match=sentence) as caught:
        client.upscale(runtime, BODY, SIZE, RGB)
    assert isinstance(caught.value, client.ClientError)


def test_a_busy_server_is_asked_again() -> None:
    answers = [
        reply(b'{"error": "busy", "message": "full"}', status="503 Busy", more="Retry-After: 0\r\n"),
        reply(bytes(192)),
    ]

    def handle(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answers.pop(0))

    with answering(handle) as runtime:
        assert client.upscale(runtime, BODY, SIZE, RGB) == bytes(192)
    assert answers == []


def test_a_server_that_stays_busy_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.client.api.BUSY_PATIENCE", 0.3)
    busy = reply(b'{"error": "busy", "message": "full"}', status="503 Busy", more="Retry-After: 0\r\n")
    with answering(once(busy)) as runtime, pytest.raises(client.Refused, match="full"):
        client.upscale(runtime, BODY, SIZE, RGB)


def test_cancelling_ends_a_waiting_call_at_once() -> None:
    arrived = threading.Event()

    def handle(connection: socket.socket) -> None:
        read_request(connection)
        arrived.set()
        connection.recv(1)  # returns when the client closes

    cancel = client.Cancel()
    with answering(handle) as runtime:
        threading.Thread(target=lambda: (arrived.wait(10), cancel.cancel()), daemon=True).start()
        begun = time.monotonic()
        with pytest.raises(client.Cancelled):
            client.upscale(runtime, BODY, SIZE, RGB, cancel=cancel)
    assert time.monotonic() - begun < 5
    assert cancel.cancelled


def test_a_call_that_was_cancelled_before_it_began_sends_nothing() -> None:
    cancel = client.Cancel()
    cancel.cancel()
    with answering(lambda connection: None) as runtime, pytest.raises(client.Cancelled):
        client.upscale(runtime, BODY, SIZE, RGB, cancel=cancel)


def test_a_proxy_variable_is_not_looked_at(model_server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert client.is_healthy(runtime_of(model_server))


def test_remaining_time_is_judged_by_the_pace() -> None:
    now = [0.0]
    progress = client.Progress(lambda: now[0])
    assert progress.text(0, 100) == "0 %"
    now[0] = 10
    assert progress.text(10, 100) == "10 %, 1 min 30 s left"
    assert progress.text(50, 100) == "50 %, 10 s left"
    assert progress.text(100, 100) == "100 %"


def write(path: Path, mode: int = 0o600, **contents: object) -> Path:
    path.write_text(json.dumps({"url": "http://127.0.0.1:9", "token": "t", "pid": 1, "version": "1"} | contents))
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o606, 0o660])
def test_a_runtime_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(client.UnsafeRuntimeFile, match=rf"{mode:04o}.*expected 0600"):
        client.read_runtime(write(tmp_path / "runtime.json", mode))


def test_a_runtime_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to(write(tmp_path / "runtime.json"))
    with pytest.raises(client.UnsafeRuntimeFile):
        client.read_runtime(tmp_path / "link.json")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_somebody_elses_runtime_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "runtime.json")
    os.chown(path, 12345, 12345)
    with pytest.raises(client.UnsafeRuntimeFile, match="belongs to user id 12345"):
        client.read_runtime(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"url": "x"}', '{"url": "file:///x", "token": "t"}',
                                  '{"url": "http://h:1", "token": "a\\nb"}'])  # fmt: skip
def test_a_runtime_file_that_holds_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "runtime.json"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(client.UnsafeRuntimeFile, match="holds no url"):
        client.read_runtime(path)


def test_the_variable_names_another_runtime_file(tmp_path: Path) -> None:
    assert client.runtime_path({"NEURAL_UPSCALE_RUNTIME": "/x/y.json"}) == Path("/x/y.json")
    assert client.runtime_path({"XDG_STATE_HOME": "/s"}) == Path("/s/neural-upscale/runtime.json")
    record = tmp_path / "install.json"
    record.write_text(json.dumps({"command": ["a"], "runtime": "/r", "log": "/l", "version": "1"}))
    assert client.read_installation(record, {}).runtime == Path("/r")
    assert client.read_installation(record, {"NEURAL_UPSCALE_RUNTIME": "/x/y.json"}).runtime == Path("/x/y.json")


def test_an_installation_record_that_is_broken_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(client.ServerStartFailed, match="neural-upscale install"):
        client.read_installation(tmp_path / "missing.json")


def test_a_plug_in_without_a_record_starts_what_the_search_path_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "neural-upscale"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert client.installation_beside(tmp_path / "install.json").command == ()
    program.touch(mode=0o755)
    command = client.installation_beside(tmp_path / "install.json").command
    assert command == (str(program), "serve", "--port", "0", "--idle-exit", "1800")


def test_a_started_server_does_not_inherit_the_editors_environment() -> None:
    editors = {"PYTHONPATH": "/krita", "LD_LIBRARY_PATH": "/mount", "GI_TYPELIB_PATH": "/x", "HOME": "/h", "LANG": "C"}
    assert clean_environment(editors) == {"HOME": "/h", "LANG": "C"}


def test_a_command_that_cannot_be_run(tmp_path: Path) -> None:
    with pytest.raises(client.ServerStartFailed, match="cannot be run"):
        client.find_or_start([str(tmp_path / "nothing")], runtime=tmp_path / "s" / "runtime.json")


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no GPU here')"]
    with pytest.raises(client.ServerStartFailed, match=r"ended with code 1.*no GPU here"):
        client.find_or_start(command, runtime=tmp_path / "runtime.json")


def test_waiting_for_a_server_can_be_cancelled(tmp_path: Path) -> None:
    cancel = client.Cancel()
    command = [sys.executable, "-c", "import time; time.sleep(2)"]
    with pytest.raises(client.Cancelled):
        client.find_or_start(
            command, runtime=tmp_path / "runtime.json", cancel=cancel, on_wait=lambda _: cancel.cancel()
        )


@pytest.mark.parametrize("variable", ["FLATPAK_ID", "SNAP_NAME", "APP_SANDBOX_CONTAINER_ID"])
def test_in_a_sandbox_the_user_is_told_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "org.gimp.GIMP")
    with pytest.raises(client.ServerStartFailed, match=r"sandbox.*terminal: /opt/bin/neural-upscale serve"):
        client.find_or_start(["/opt/bin/neural-upscale", "serve"], runtime=tmp_path / "runtime.json")


def test_several_clients_at_once_start_one_server_which_replaces_a_stale_runtime_file(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    runtime = write(tmp_path / "runtime.json", pid=ended.pid)
    save_compact(tmp_path, "compact-faithful")
    command = [sys.executable, "-m", "server", *START_OPTIONS, "--weights", str(tmp_path)]
    script = (
        "import sys, pathlib; from server import client; "
        "print(client.find_or_start(sys.argv[2:], runtime=pathlib.Path(sys.argv[1])).pid)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    starters = [
        subprocess.Popen([sys.executable, "-c", script, str(runtime), *command], stdout=subprocess.PIPE, text=True,
                         env=environment)
        for _ in range(4)
    ]  # fmt: skip
    pids = {starter.communicate(timeout=120)[0].strip() for starter in starters}
    found = client.read_runtime(runtime)
    try:
        assert pids == {str(found.pid)}
        assert (tmp_path / "server.log").stat().st_mode & 0o777 == 0o600
    finally:
        os.kill(found.pid, 15)
    for _ in range(200):
        if not runtime.exists():
            break
        time.sleep(0.1)
    assert not runtime.exists()


def test_client_files_work_beside_a_plug_in_without_the_package(tmp_path: Path, model_server: ModelServer) -> None:
    package = tmp_path / "beside"
    package.mkdir()
    shutil.copytree(ROOT / "server" / "client", package / "client")
    (package / "__init__.py").touch()
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from beside import client as c\n"
        f"r = c.read_runtime(__import__('pathlib').Path({str(model_server.runtime)!r}))\n"
        "print(len(c.upscale(r, bytes(48), c.Size(4, 4), c.PixelFormat('RGB', 'u8'), c.Options('fixed'))))"
    )
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout.strip() == "192"


@contextmanager
def impostor(heard: list[bytes], answer: Callable[[bytes], bytes]) -> Iterator[client.Runtime]:
    """Take a port as somebody does after a server has ended; note everything that a client sends there."""

    def handle(connection: socket.socket) -> None:
        connection.settimeout(5)
        try:
            while piece := connection.recv(1 << 16):
                heard.append(piece)
                connection.sendall(answer(piece))
        except OSError:
            return

    with answering(handle) as runtime:
        yield client.Runtime(runtime.url, "the true token, which is secret", os.getpid())


IMPOSTORS: dict[str, Callable[[bytes], bytes]] = {
    "says only the name": lambda _: reply(b"neural-upscale"),
    "invents a proof": lambda _: reply(b"neural-upscale " + b"0" * 64),
    "repeats the challenge": lambda heard: reply(b"neural-upscale " + heard.split(b"challenge=")[1][:64]),
    "proves another token": lambda heard: reply(
        f"neural-upscale {proof('another', heard.split(b'challenge=')[1][:64].decode())}".encode()
    ),
    "is a server of before": lambda _: reply(b'{"error": "wrong_parameter"}', status="400 Refused"),
    "is something else": lambda _: reply(b"<html>"),
}


@pytest.mark.parametrize("kind", IMPOSTORS)
def test_whoever_does_not_know_the_token_gets_neither_it_nor_a_pixel(kind: str, tmp_path: Path) -> None:
    heard: list[bytes] = []
    pixels = b"secret pixels..." * 3
    record = tmp_path / "install.json"
    with impostor(heard, IMPOSTORS[kind]) as runtime:
        file = write(tmp_path / "runtime.json", url=runtime.url, token=runtime.token, pid=os.getpid())
        told = {"command": [sys.executable, "-c", ""], "runtime": str(file), "log": str(tmp_path / "l"), "version": "1"}
        record.write_text(json.dumps(told))
        for call in (
            lambda: client.upscale(runtime, pixels, SIZE, RGB), lambda: client.models(runtime),
            lambda: client.status(runtime), lambda: client.running_server(record),
        ):  # fmt: skip
            with pytest.raises((client.UntrustedServer, client.WrongAnswer)):
                call()
        assert not client.is_healthy(runtime)
        with pytest.raises(client.ServerStartFailed):  # it tries to start one of its own instead
            client.find_or_start([sys.executable, "-c", ""], runtime=file)
    assert heard
    assert not any(secret in b"".join(heard) for secret in (runtime.token.encode(), b"secret pixels", b"Authorization"))


def test_a_proof_holds_for_the_connection_that_it_came_over(tmp_path: Path) -> None:
    """Whoever proves, closes, and is followed by another program on the port, has proved nothing for that one."""
    heard: list[bytes] = []

    def handle(connection: socket.socket) -> None:
        first = connection.recv(1 << 16)
        heard.append(first)
        if b"challenge=" in first:
            challenge = first.split(b"challenge=")[1][:64].decode()
            answer = f"neural-upscale {proof('token', challenge)}".encode()
            connection.sendall(reply(answer, more="Connection: close\r\n"))

    with answering(handle) as runtime, pytest.raises(client.ServerDied):
        client.upscale(runtime, BODY, SIZE, RGB)
    assert len(heard) == 1
