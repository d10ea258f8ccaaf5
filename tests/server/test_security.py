"""One test per attack, against a real server over real sockets."""

from __future__ import annotations

import contextlib
import hmac
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from server import client
from server.runtime_file import write_runtime
from tests.hosts.model_server import ModelServer, serving
from tests.server.strangers import strangers

QUERY = "width=4&height=4&layout=RGB&depth=u8"
BODY = bytes(48)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with serving(tmp_path_factory.mktemp("server"), "--max-megapixels", "1", "--trusted-host", "studio.example") as it:
        yield it


def send(server: ModelServer, head: str, body: bytes = b"", *, wait: float = 60) -> tuple[int, dict[str, Any]]:
    """Send bytes as they are; give the status and the JSON of the answer."""
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=wait) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode("latin-1") + body)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    status = int(answer.split(b" ", 2)[1])
    content = answer.partition(b"\r\n\r\n")[2]
    return status, json.loads(content) if content.startswith(b"{") else {}


def head(server: ModelServer, *lines: str, target: str = f"/v1/upscale?{QUERY}", length: int = 48, method: str = "POST",
         token: str | None = None, host: str | None = None) -> str:  # fmt: skip
    given = [f"{method} {target} HTTP/1.1", f"Host: {host or urlsplit(server.url).netloc}", "Connection: close"]
    if token != "":
        given.append(f"Authorization: Bearer {token or server.token}")
    if length:
        given.append(f"Content-Length: {length}")
    return "\n".join([*given, *lines]) + "\n\n"


def refused(answer: tuple[int, dict[str, Any]], status: int, name: str) -> str:
    assert answer[0] == status, answer
    assert answer[1]["error"] == name
    assert answer[1]["request_id"]
    return str(answer[1]["message"])


def test_the_right_token_is_let_in(server: ModelServer) -> None:
    assert send(server, head(server), BODY)[0] == 200


def test_a_path_that_flask_takes_for_the_raw_route_and_the_checks_do_not_is_refused(server: ModelServer) -> None:
    refused(send(server, head(server, target=f"//v1/upscale?{QUERY}", length=0)), 400, "malformed_request")


def test_no_token(server: ModelServer) -> None:
    assert "runtime file" in refused(send(server, head(server, token="")), 401, "not_authorized")


@pytest.mark.parametrize("token", ["wrong", "x" * 43, "ä", "wrong, wrong"])
def test_wrong_token(server: ModelServer, token: str) -> None:
    refused(send(server, head(server, token=token)), 401, "not_authorized")


def test_the_token_is_compared_in_constant_time() -> None:
    source = (Path(__file__).parents[2] / "server" / "http" / "request_checks.py").read_text()
    assert "hmac.compare_digest" in source
    assert "self.token ==" not in source
    assert "== self.token" not in source


@pytest.mark.parametrize("route", ["/v1/models", "/v1/status", "/metrics", "/openapi.json", "/v1/upscale/file", "/no"])
def test_every_route_but_the_open_ones_needs_the_token(server: ModelServer, route: str) -> None:
    refused(send(server, head(server, target=route, method="GET", length=0, token="")), 401, "not_authorized")


def test_healthz_says_the_name_and_nothing_else(server: ModelServer) -> None:
    answer = requests.get(server.url + "/healthz", timeout=10)
    assert answer.text == "neural-upscale"
    assert "waitress" not in str(answer.headers).lower()
    assert "python" not in str(answer.headers).lower()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "", "[::2]"])
def test_foreign_host(server: ModelServer, host: str) -> None:
    refused(send(server, head(server, host=host or " ")), 403, "foreign_host")


def test_a_trusted_host_is_let_in(server: ModelServer) -> None:
    assert send(server, head(server, host="studio.example"), BODY)[0] == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "file://"])
def test_foreign_origin(server: ModelServer, origin: str) -> None:
    refused(send(server, head(server, f"Origin: {origin}")), 403, "foreign_origin")


def test_own_origin_is_let_in(server: ModelServer) -> None:
    assert send(server, head(server, f"Origin: {server.url}", "Sec-Fetch-Site: same-origin"), BODY)[0] == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_request_that_another_site_caused(server: ModelServer, site: str) -> None:
    refused(send(server, head(server, f"Sec-Fetch-Site: {site}")), 403, "foreign_origin")


def test_nothing_is_ever_allowed_to_other_origins(server: ModelServer) -> None:
    preflight = head(server, "Origin: https://evil.example", "Access-Control-Request-Method: POST", method="OPTIONS",
                     length=0)  # fmt: skip
    assert send(server, preflight)[0] == 403
    answer = requests.get(server.url + "/healthz", timeout=10)
    assert not any(name.lower().startswith(("access-control", "set-cookie")) for name in answer.headers)


def spooled(server: ModelServer) -> list[str]:
    """Return the files in the spool folder that the server has open; they have no names, so no listing shows them."""
    opened = []
    for descriptor in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            opened.append(str(descriptor.readlink()))
    return [each for each in opened if "/neural-upscale/spool/" in each]


@pytest.mark.skipif(sys.platform != "linux", reason="open files are read from /proc")
def test_half_a_gigabyte_announced_without_a_token_is_refused_at_once_and_spools_nothing(server: ModelServer) -> None:
    parts, length, sent = urlsplit(server.url), 1000 * 1000 * 3, bytes(2_500_000)
    target = "/v1/upscale?width=1000&height=1000&layout=RGB&depth=u8"
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as let_in:
        let_in.sendall(head(server, target=target, length=length).replace("\n", "\r\n").encode() + sent)
        until = time.monotonic() + 10
        while not spooled(server):  # so that the look itself is known to see a spool file
            assert time.monotonic() < until
            time.sleep(0.02)
    until = time.monotonic() + 10
    while spooled(server):
        assert time.monotonic() < until
        time.sleep(0.02)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as refused_one:
        begun = time.monotonic()
        refused_one.sendall(head(server, token="", length=500_000_000).replace("\n", "\r\n").encode())
        assert refused_one.recv(12) == b"HTTP/1.1 401"
        assert time.monotonic() - begun < 1
        with contextlib.suppress(OSError):
            refused_one.sendall(sent)
        time.sleep(0.3)
        assert spooled(server) == []


def test_a_body_shorter_than_announced_is_not_enlarged(server: ModelServer) -> None:
    parts = urlsplit(server.url)
    before = pictures_answered(server)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(head(server).replace("\n", "\r\n").encode() + BODY[:40])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert pictures_answered(server) == before


def test_what_follows_a_body_longer_than_announced_is_no_part_of_it(server: ModelServer) -> None:
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        plain = head(server).replace("Connection: close\n", "").replace("\n", "\r\n").encode()
        connection.sendall(plain + BODY + b"GET /v1/status HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\n\r\n" + bytes(192) in answer  # 4 × 48 bytes of black
    assert b"HTTP/1.1 403" in answer  # the rest is a request of its own, and passes the gate as such


def pictures_answered(server: ModelServer) -> float:
    text = requests.get(server.url + "/metrics", headers={"Authorization": f"Bearer {server.token}"}, timeout=10).text
    return sum(float(line.split()[-1]) for line in text.splitlines() if 'requests_total{route="/v1/upscale"' in line)


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/../etc/passwd"],
)
def test_a_path_that_leaves_the_folder_of_the_page(server: ModelServer, path: str) -> None:
    assert send(server, head(server, target=path, method="GET", length=0))[0] in (400, 404)


def test_a_query_of_thousands_of_parameters(server: ModelServer) -> None:
    long = "&".join(f"a{number}=1" for number in range(1500))
    refused(send(server, head(server, target=f"/v1/upscale?{long}")), 400, "wrong_parameter")
    refused(send(server, head(server, target=f"/v1/upscale?{QUERY}&model={'x' * 20_000}")), 431, "header_too_large")


def test_a_refusal_is_not_preceded_by_an_invitation_to_send(server: ModelServer) -> None:
    parts = urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
        connection.sendall(head(server, "Expect: 100-continue", token="").replace("\n", "\r\n").encode())
        assert connection.recv(12) == b"HTTP/1.1 401"


@pytest.mark.parametrize("length", [0, 1, 47, 49, 10**12])
def test_a_body_of_another_length_than_the_parameters_ask_for(server: ModelServer, length: int) -> None:
    message = refused(send(server, head(server, length=length)), 400, "wrong_length")
    assert str(length) in message
    assert "needs 48" in message


def test_a_body_in_chunks(server: ModelServer) -> None:
    refused(send(server, head(server, "Transfer-Encoding: chunked", length=0)), 411, "length_required")


def test_a_body_where_none_belongs(server: ModelServer) -> None:
    refused(send(server, head(server, target="/v1/status", method="GET", length=9)), 400, "wrong_length")


@pytest.mark.parametrize(("width", "height"), [(10**9, 10**9), (2**32, 2**32), (65536, 65536), (1001, 1000)])
def test_width_times_height_beyond_every_limit(server: ModelServer, width: int, height: int) -> None:
    target = f"/v1/upscale?width={width}&height={height}&layout=RGB&depth=u8"
    status, told = send(server, head(server, target=target))
    assert (status, told["error"]) in [(413, "too_large"), (400, "wrong_parameter")]


@pytest.mark.parametrize(
    "change",
    [
        "width=0", "width=-4", "width=4.0", "width=", "width=%20", "width=%D9%A4",
        "layout=CMYK", "depth=u32", "depth=U8",
        "transfer=gamma", "detail=1.1", "detail=nan", "detail=x", "unknown=1", "width=4&width=4", "%ff=%ff",
        "model=../../etc/passwd", "model=/etc/passwd", "model=a/b", "model=..", "model=", "model=C:%5Cx",
        "model=" + "x" * 101,
    ],
)  # fmt: skip
def test_a_parameter_that_is_wrong_or_a_path(server: ModelServer, change: str) -> None:
    name = change.partition("=")[0]
    kept = "&".join(part for part in QUERY.split("&") if not part.startswith(name + "="))
    answer = send(server, head(server, target=f"/v1/upscale?{kept}&{change}".encode().decode("latin-1")))
    message = refused(answer, 400, "wrong_parameter")
    assert "passwd" not in message or "not a path" in message


def test_a_header_beyond_the_limit(server: ModelServer) -> None:
    refused(send(server, head(server, "X-Long: " + "x" * 20_000)), 431, "header_too_large")


@pytest.mark.parametrize("text", ["GET\n\n", "GET / HTTP/1.1\nbad header\n\n", "get / HTTP/1.1\nHost: localhost\n\n"])
def test_what_is_not_http_is_answered_in_json_too(server: ModelServer, text: str) -> None:
    refused(send(server, text), 400, "malformed_request")


def test_a_decompression_bomb_is_refused_by_its_header(server: ModelServer) -> None:
    import zlib

    from server.images.formats import png16

    chunk = png16.write_chunk
    import io
    import struct

    bomb = io.BytesIO()
    bomb.write(b"\x89PNG\r\n\x1a\n")
    chunk(bomb, b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    chunk(bomb, b"IDAT", zlib.compress(bytes(1 << 20)))
    answer = requests.post(
        server.url + "/v1/upscale/file", data=bomb.getvalue(), timeout=30,
        headers={"Authorization": f"Bearer {server.token}"},
    )  # fmt: skip
    assert answer.status_code == 413
    assert "3600.0 megapixels" in answer.json()["message"]


def test_other_machines_need_a_token_of_the_owners(tmp_path: Path) -> None:
    from server.errors import CannotStart
    from server.settings import Settings

    with pytest.raises(CannotStart, match=r"--host 0\.0\.0\.0 lets other machines in.*--token"):
        Settings(host="0.0.0.0").check()
    with pytest.raises(CannotStart, match="3 characters"):
        Settings(host="0.0.0.0", token="abc").check()
    Settings(host="0.0.0.0", token="x" * 32).check()


def test_a_server_for_other_machines_warns(tmp_path: Path) -> None:
    with serving(tmp_path, "--host", "0.0.0.0", "--token", "a-token-of-the-owners-own") as started:
        lines = [json.loads(line) for line in started.log.read_text().splitlines() if line.startswith("{")]
    assert any(line["level"] == "warning" and "other machines can reach" in line["message"] for line in lines)


def test_a_runtime_file_of_a_dead_server_is_replaced(tmp_path: Path) -> None:
    """And one with loose rights too: the new one has rights of its own."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    old = tmp_path / "runtime.json"
    old.write_text(json.dumps({"url": "http://127.0.0.1:9", "token": "old", "pid": dead.pid, "version": "0"}))
    old.chmod(0o644)
    with pytest.raises(client.UnsafeRuntimeFile, match="0644"):
        client.read_runtime(old)
    write_runtime(old, client.Runtime("http://127.0.0.1:1", "new", 1, "0"))
    assert client.read_runtime(old).token == "new"
    assert old.stat().st_mode & 0o777 == 0o600


def test_the_runtime_file_and_its_folder_are_the_owners_alone(tmp_path: Path) -> None:
    with serving(tmp_path / "state") as started:
        assert started.runtime.stat().st_mode & 0o777 == 0o600
    assert not started.runtime.exists()


def test_the_log_holds_no_token(server: ModelServer) -> None:
    requests.get(server.url + "/v1/status", headers={"Authorization": f"Bearer {server.token}"}, timeout=10)
    lines = [line for line in server.log.read_text().splitlines() if line.startswith("{")]
    assert lines
    assert not any(server.token in line for line in lines)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a raised limit of open files")
def test_strangers_connections_silence_nobody(server: ModelServer) -> None:
    """The seconds are the rule itself; `tests/benchmarks/load.py` measures how many are needed."""
    assert send(server, head(server), BODY)[0] == 200  # the model is loaded
    with strangers(server.url, idle=1000, dripping=300):
        for _ in range(3):
            assert requests.get(server.url + "/healthz", timeout=5).text == "neural-upscale"
            assert send(server, head(server), BODY, wait=10)[0] == 200


def test_a_connection_with_the_token_outlives_a_crowd_of_strangers(server: ModelServer) -> None:
    address = (urlsplit(server.url).hostname, urlsplit(server.url).port)
    request = head(server, target="/v1/status", method="GET", length=0).replace("Connection: close\n", "")
    with socket.create_connection(address, timeout=30) as trusted:

        def status() -> bytes:
            trusted.sendall(request.replace("\n", "\r\n").encode())
            answer = b""
            while not answer.endswith(b"}\n"):
                piece = trusted.recv(1 << 16)
                assert piece, "the connection was closed"
                answer += piece
            return answer

        assert status().startswith(b"HTTP/1.1 200")
        with strangers(server.url, idle=400, dripping=0):
            assert status().startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: ", b"GET /healthz HTTP/1.1\r\nA: b\r\n"])
def test_a_header_that_does_not_end_ends_the_connection(server: ModelServer, sent: bytes) -> None:
    from server.http.connections import HEADER_LIMIT

    address = (urlsplit(server.url).hostname, urlsplit(server.url).port)
    begun = time.monotonic()
    with socket.create_connection(address, timeout=HEADER_LIMIT + 20) as connection:
        connection.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1) == b""
    assert time.monotonic() - begun > HEADER_LIMIT - 1  # and not before


ODD = {
    "a length of 5000 digits": b"POST /v1/upscale HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + b"9" * 5000,
    "and an expectation": b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: " + b"9" * 5000,
    "a negative length": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: -1",
    "two lengths": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2",
    "half an address": b"GET http://[ HTTP/1.1\r\nHost: 127.0.0.1",
    "no address": b"GET //[::1 HTTP/1.1\r\nHost: 127.0.0.1",
    "a port that is none": b"GET http://127.0.0.1:99999999/healthz HTTP/1.1\r\nHost: 127.0.0.1",
    "half a host": b"GET / HTTP/1.1\r\nHost: [",
    "a host of zeros": b"GET / HTTP/1.1\r\nHost: \x00",
    "two hosts": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example",
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: 127.0.0.1",
    "a version of the future": b"GET / HTTP/9.9\r\nHost: 127.0.0.1",
    "no version": b"GET /",
    "zeros": bytes(100),
    "bytes beyond ASCII": b"GET /\xff\xfe%ff HTTP/1.1\r\nHost: 127.0.0.1",
    "an encoding": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nTransfer-Encoding: gzip",
    "a folded line": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n folded: 1",
    "a method of a thousand letters": b"G" * 1000 + b" / HTTP/1.1\r\nHost: 127.0.0.1",
    "a query that is none": b"GET /v1/status?%zz=%ff&&= HTTP/1.1\r\nHost: 127.0.0.1",
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_an_odd_request_is_answered(server: ModelServer, name: str) -> None:
    address = (urlsplit(server.url).hostname, urlsplit(server.url).port)
    with socket.create_connection(address, timeout=9) as connection:  # less than a header's limit
        connection.sendall(ODD[name] + b"\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := connection.recv(1 << 16):
            answer += piece
    assert re.match(rb"HTTP/1\.[01] (200|4\d\d|501) ", answer), answer
    if answer.split(b" ")[1] != b"200":
        assert b'"request_id"' in answer
    assert requests.get(server.url + "/healthz", timeout=10).text == "neural-upscale"


def test_a_server_of_this_token_proves_that_it_knows_it(server: ModelServer) -> None:
    challenge = "5" * 64
    told = requests.get(f"{server.url}/healthz?challenge={challenge}", timeout=10).text.split()
    expected = hmac.new(server.token.encode(), b"neural-upscale " + challenge.encode(), "sha256").hexdigest()
    assert told == ["neural-upscale", expected]
    for wrong in ("", "5" * 63, "5" * 65, "G" * 64, "%00"):
        assert requests.get(f"{server.url}/healthz?challenge={wrong}", timeout=10).status_code == 400


def test_refused_requests_of_strangers_are_cut_and_counted_in_the_log(server: ModelServer) -> None:
    time.sleep(1.1)  # the next line tells what the tests before have had left out
    refused(send(server, head(server, target="/first", method="GET", length=0, token="")), 401, "not_authorized")
    before = server.log.stat().st_size
    begun = time.monotonic()
    for _ in range(300):
        target = "/v1/status/" + "x" * 12_000
        refused(send(server, head(server, target=target, method="GET", length=0, token="")), 401, "not_authorized")
    seconds = int(time.monotonic() - begun) + 2
    time.sleep(1.1)
    refused(send(server, head(server, target="/last", method="GET", length=0, token="")), 401, "not_authorized")
    written = server.log.read_text()[before:].splitlines()
    lines = [json.loads(line) for line in written if '"refused"' in line]
    assert len(lines) <= 10 * seconds
    assert sum(1 + line.get("left_out", 0) for line in lines) == 301
    assert max(map(len, written)) < 2000


@pytest.mark.skipif(sys.platform == "win32", reason="a log that is open cannot be renamed there")
def test_the_log_is_rotated_and_the_server_goes_on(server: ModelServer) -> None:
    with server.log.open("a") as file:
        file.write("x" * 10_000_000 + "\n")
    refused(send(server, head(server, target="/a", method="GET", length=0, token="")), 401, "not_authorized")
    older = server.log.with_name("server.log.1")
    until = time.monotonic() + 10
    while not older.exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(1.1)  # more than a stranger's share of lines may have come in this second
    refused(send(server, head(server, target="/b", method="GET", length=0, token="")), 401, "not_authorized")
    while '"/b"' not in server.log.read_text():
        assert time.monotonic() < until + 10
        time.sleep(0.05)
    assert server.log.stat().st_size < 10_000
    assert not server.log.stat().st_mode & 0o077
    older.unlink()


@pytest.mark.skipif(sys.platform != "linux", reason="open files are limited in another process")
def test_a_folder_for_pictures_that_is_full_is_a_sentence(tmp_path: Path) -> None:
    import resource

    with serving(tmp_path) as started:
        target, length = "/v1/upscale?width=1000&height=1000&layout=RGB&depth=u8&model=fixed", 3_000_000
        resource.prlimit(started.process.pid, resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
        for more in ((), ("Expect: 100-continue",)):
            message = refused(send(started, head(started, *more, target=target, length=length), bytes(length)),
                              507, "no_space")  # fmt: skip
            assert "File too large" in message
            assert "make room" in message
        resource.prlimit(started.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        spool = tmp_path / "cache" / "neural-upscale" / "spool"
        spool.rmdir()
        assert send(started, head(started, target=target, length=length), bytes(length))[0] == 200  # it is made again
        shutil.rmtree(spool.parent)
        spool.parent.touch()
        assert "make room" in refused(send(started, head(started, target=target, length=length), bytes(length)),
                                      507, "no_space")  # fmt: skip
        assert started.get("/v1/status")["queue"]["requests"] == 0


def test_the_address_of_the_server_itself_is_no_foreign_host(tmp_path: Path) -> None:
    with serving(tmp_path, "--host", "::1") as started:
        assert started.url.startswith("http://[::1]:")
        assert client.models(client.read_runtime(started.runtime))["models"]
        assert requests.get(started.url + "/", timeout=10).status_code == 200
