"""A client that is refused while it still sends its picture is told so; what it goes on to send is thrown away."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.hosts.model_server import ModelServer, serving

SIDE = 4096
BODY = bytes(SIDE * SIDE * 3)  # more than all buffers on the way take
LIMIT = 3  # seconds


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with serving(tmp_path_factory.mktemp("server"), "--stall-limit", str(LIMIT)) as started:
        yield started


def connected(server: ModelServer) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)


def head_without_token(server: ModelServer) -> bytes:
    query = f"width={SIDE}&height={SIDE}&layout=RGB&depth=u8"
    lines = [f"POST /v1/upscale?{query} HTTP/1.1", f"Host: {urlsplit(server.url).netloc}"]
    return "\r\n".join([*lines, f"Content-Length: {len(BODY)}", "", ""]).encode()


def read_to_end(connection: socket.socket) -> bytes:
    answer = b""
    while piece := connection.recv(65536):
        answer += piece
    return answer


def test_who_sends_all_before_reading_reads_the_refusal(server: ModelServer) -> None:
    with connected(server) as connection:
        connection.sendall(head_without_token(server))
        connection.sendall(BODY)
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"not_authorized" in answer


def test_who_reads_at_once_is_not_kept_waiting(server: ModelServer) -> None:
    begun = time.monotonic()
    with connected(server) as connection:
        connection.sendall(head_without_token(server))
        assert read_to_end(connection).startswith(b"HTTP/1.1 401")
    assert time.monotonic() - begun < LIMIT


@pytest.mark.parametrize("pause", [0.0, 0.5])
def test_a_request_hidden_in_a_refused_body_is_not_answered(server: ModelServer, pause: float) -> None:
    hidden = f"GET /healthz HTTP/1.1\r\nHost: {urlsplit(server.url).netloc}\r\n\r\n".encode()
    with connected(server) as connection:
        connection.sendall(head_without_token(server) + hidden)
        time.sleep(pause)
        connection.sendall(hidden)
        answer = read_to_end(connection)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"neural-upscale" not in answer


def test_who_goes_on_sending_for_ever_is_let_go(server: ModelServer) -> None:
    begun = time.monotonic()
    with connected(server) as connection:
        connection.sendall(head_without_token(server))
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            send_until(connection, begun + 10 * LIMIT)
    assert time.monotonic() - begun >= LIMIT


def send_until(connection: socket.socket, until: float) -> None:
    while time.monotonic() < until:
        connection.sendall(bytes(1000))
        time.sleep(0.05)
