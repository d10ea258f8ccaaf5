"""The protocol over real sockets, spoken by `requests`, which knows nothing of our client."""

from __future__ import annotations

import io
import os
import re
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import openapi_spec_validator
import pytest
import requests
import tifffile
from PIL import Image

from tests.hosts.model_server import ModelServer, serving
from tests.server.file_kinds import jpeg, picture, psd
from tests.server.in_process import photo_like, save_compact
from tests.server.test_file_kinds import HOSTILE


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with serving(tmp_path_factory.mktemp("server"), "--stall-limit", "3", "--queue", "8") as it:
        yield it


def post(server: ModelServer, body: bytes, **query: Any) -> requests.Response:
    return requests.post(
        f"{server.url}/v1/upscale", params=query, data=body, timeout=60,
        headers={"Authorization": f"Bearer {server.token}"},
    )  # fmt: skip


def call(server: ModelServer, route: str, **more: Any) -> requests.Response:
    return requests.request(
        more.pop("method", "GET"), server.url + route, headers={"Authorization": f"Bearer {server.token}"}, timeout=60,
        **more,
    )  # fmt: skip


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (33, 7), (200, 130)])
def test_the_answer_has_twice_the_size_and_the_same_format(server: ModelServer, width: int, height: int) -> None:
    answer = post(server, bytes(width * height * 8), width=width, height=height, layout="RGBA", depth="u16")
    assert answer.status_code == 200
    assert len(answer.content) == 4 * width * height * 8
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Request-Id"]


def test_the_same_picture_gives_the_same_bytes(server: ModelServer) -> None:
    body = np.random.default_rng(0).integers(0, 256, (60, 70, 3), dtype=np.uint8).tobytes()
    answers = {post(server, body, width=70, height=60, layout="RGB", depth="u8").content for _ in range(3)}
    assert len(answers) == 1


def test_detail_changes_the_picture_and_comes_back_rounded(server: ModelServer) -> None:
    body = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8).tobytes()
    told = {"width": 20, "height": 20, "layout": "RGB", "depth": "u8", "model": "fixed"}
    faithful, crisp = (post(server, body, **told, detail=detail) for detail in (0, 0.93))
    assert faithful.content != crisp.content
    assert crisp.headers["X-Detail"] == "0.95"
    assert crisp.headers["X-Model"] == "fixed"


@pytest.mark.parametrize("name", ["海", "ночь", "हिन्दी", "été", "my model_2.1"])
def test_a_models_name_may_be_of_any_script(server: ModelServer, name: str) -> None:
    folder = server.log.parent / "weights"
    path = save_compact(folder, name)
    try:
        answer = post(server, bytes(3), width=1, height=1, layout="RGB", depth="u8", model=name)
        assert answer.status_code == 200
        assert urllib.parse.unquote(answer.headers["X-Model"]) == name
    finally:
        path.unlink()


def test_a_hostile_weights_file_leaves_the_other_models_as_they_are(server: ModelServer) -> None:
    folder = server.log.parent / "weights"
    contents = b'{"__metadata__": ' + b"[" * 200_000
    hostile = [folder / "zz\nX-Evil: 1.safetensors", folder / "deep.safetensors", folder / "pipe.safetensors"]
    hostile[0].write_bytes((folder / "slow.safetensors").read_bytes())
    hostile[1].write_bytes(struct.pack("<Q", len(contents)) + contents)
    os.mkfifo(hostile[2])
    try:
        told = call(server, "/v1/models").json()
        assert {"deep", "pipe", "zz\nX-Evil: 1"} <= {each["name"] for each in told["broken"]}
        for model in ("fixed", "auto"):
            assert post(server, bytes(3), width=1, height=1, layout="RGB", depth="u8", model=model).status_code == 200
        for model in ("deep", "pipe"):
            answer = post(server, bytes(3), width=1, height=1, layout="RGB", depth="u8", model=model)
            assert (answer.status_code, answer.json()["error"]) == (409, "broken_model")
        assert server.get("/v1/status")["queue"]["requests"] == 0
    finally:
        for path in hostile:
            path.unlink()


def test_an_unknown_model_is_named_with_what_there_is(server: ModelServer) -> None:
    answer = post(server, bytes(3), width=1, height=1, layout="RGB", depth="u8", model="nothing")
    assert answer.status_code == 404
    assert "'nothing'" in answer.json()["message"]
    assert "fixed-faithful" in answer.json()["message"]


def test_status_and_models_tell_what_is_there(server: ModelServer) -> None:
    status = call(server, "/v1/status").json()
    assert status["devices"][0]["device"] == "cpu"
    assert status["queue"]["bound"] == 8
    models = call(server, "/v1/models").json()
    assert {"fixed", "fixed-faithful", "fixed-detailed"} <= {model["name"] for model in models["models"]}


def test_metrics_count_what_was_done(server: ModelServer) -> None:
    def count(name: str) -> float:
        text = call(server, "/metrics").text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    before = count("neural_upscale_pixels_total")
    post(server, bytes(300), width=10, height=10, layout="RGB", depth="u8")
    assert count("neural_upscale_pixels_total") == before + 100
    assert count("neural_upscale_tiles_total") >= 1
    assert count('neural_upscale_requests_total{route="/v1/upscale",status="200"}') >= 1


@pytest.mark.parametrize(
    ("method", "route", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/upscale", 405),
        ("DELETE", "/v1/models", 405),
        ("GET", "/v1/models?x=1", 400),
    ],
)
def test_errors_of_routing_are_the_same_json(server: ModelServer, method: str, route: str, status: int) -> None:
    answer = call(server, route, method=method)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "message", "request_id"}
    assert answer.json()["request_id"] in server.log.read_text()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_the_file_route_gives_what_the_raw_route_gives(server: ModelServer, kind: str) -> None:
    picture = Image.fromarray((photo_like(40, 50) * 255).round().astype(np.uint8))
    encoded = io.BytesIO()
    picture.save(encoded, kind, dpi=(300, 300))
    answer = call(server, "/v1/upscale/file", method="POST", data=encoded.getvalue(), params={"format": "png"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "image/png"
    decoded = np.asarray(Image.open(io.BytesIO(encoded.getvalue())))
    raw = post(server, decoded.tobytes(), width=50, height=40, layout="RGB", depth="u8")
    found = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert np.array_equal(found, np.frombuffer(raw.content, np.uint8).reshape(80, 100, 3))


@pytest.mark.parametrize(
    ("asked", "width", "height"),
    [
        ({"scale": "3"}, 150, 120),
        ({"scale": "2.5"}, 125, 100),
        ({"scale": "1"}, 50, 40),
        ({"out_width": "99"}, 99, 79),
        ({"out_height": "80"}, 100, 80),
        ({"out_width": "99", "out_height": "80"}, 99, 80),
    ],
)
def test_the_file_route_gives_the_size_asked_for(
    server: ModelServer, asked: dict[str, str], width: int, height: int
) -> None:
    pixels = (photo_like(40, 50) * 255).round().astype(np.uint8)
    body = io.BytesIO()
    Image.fromarray(pixels).save(body, "PNG")
    answer = call(server, "/v1/upscale/file", method="POST", data=body.getvalue(), params=asked | {"model": "fixed"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-Size"] == f"{width}x{height}"
    given = {"out_width": width, "out_height": height, "model": "fixed"}
    raw = post(server, pixels.tobytes(), width=50, height=40, layout="RGB", depth="u8", **given)
    found = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert np.array_equal(found, np.frombuffer(raw.content, np.uint8).reshape(height, width, 3))


@pytest.mark.parametrize(
    ("asked", "status", "sentence"),
    [
        ({"scale": "8.1"}, 400, "scale is '8.1'; expected a number from 1 to 8"),
        ({"scale": "3", "out_width": "6000"}, 400, "without out_width or out_height"),
        ({"out_width": "2000"}, 400, "expected ×1 to ×8 of the same shape"),
        ({"out_width": "4200", "out_height": "2100"}, 400, "expected ×1 to ×8 of the same shape"),
        ({"scale": "8"}, 413, "The result has 16800×16800 = 282.2 megapixels; this server takes up to 256"),
    ],
)
def test_a_size_that_a_file_cannot_have_is_refused_before_anything_is_computed(
    server: ModelServer, asked: dict[str, str], status: int, sentence: str
) -> None:
    body = io.BytesIO()
    Image.new("L", (2100, 2100)).save(body, "PNG")
    answer = call(server, "/v1/upscale/file", method="POST", data=body.getvalue(), params=asked | {"model": "slow"})
    assert answer.status_code == status
    assert sentence in answer.json()["message"]


@pytest.mark.parametrize("body", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + bytes(50), b"\xff\xd8\xff\xe0" + bytes(99)])
def test_a_file_that_is_no_image_gets_a_sentence(server: ModelServer, body: bytes) -> None:
    answer = call(server, "/v1/upscale/file", method="POST", data=body)
    assert answer.status_code == (415 if body else 411)
    assert "expected" in answer.json()["message"] or "send" in answer.json()["message"]


def start_big(server: ModelServer, side: int = 1500, **options: Any) -> socket.socket:
    """Send a big request and return its connection with nothing read."""
    parts = urlsplit(server.url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=60)
    for name, value in options.items():
        connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    connection.sendall(
        f"POST /v1/upscale?width={side}&height={side}&layout=RGBA&depth=f32 HTTP/1.1\r\nHost: {parts.netloc}\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Length: {side * side * 16}\r\n\r\n".encode()
    )
    connection.sendall(np.random.default_rng(0).random((side, side, 4), dtype=np.float32).tobytes())
    return connection


def under_way(server: ModelServer) -> int:
    return int(call(server, "/v1/status").json()["queue"]["requests"])


def wait_for(server: ModelServer, count: int, patience: float = 20) -> None:
    until = time.monotonic() + patience
    while under_way(server) != count:
        assert time.monotonic() < until, f"{under_way(server)} requests under way, expected {count}"
        time.sleep(0.05)


def test_a_client_that_leaves_takes_its_tiles_along(server: ModelServer) -> None:
    connection = start_big(server)
    wait_for(server, 1)
    connection.close()
    wait_for(server, 0)
    assert call(server, "/v1/status").json()["queue"]["waiting"] == 0


def test_stalled_readers_do_not_stop_the_others_and_are_dropped(server: ModelServer) -> None:
    """As many as the queue takes: /healthz answers meanwhile, the next picture is refused with Retry-After."""
    connections = [start_big(server, 500, SO_RCVBUF=4096) for _ in range(8)]
    try:
        wait_for(server, 8)
        begun = time.monotonic()
        assert requests.get(server.url + "/healthz", timeout=10).ok
        assert time.monotonic() - begun < 1
        refused = post(server, bytes(3), width=1, height=1, layout="RGB", depth="u8")
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        wait_for(server, 0, patience=90)
    finally:
        for connection in connections:
            connection.close()
    assert "reader stalled" in server.log.read_text()


def test_two_big_pictures_advance_together(server: ModelServer) -> None:
    """The second one's first pixels come before the first one is done."""
    finished: dict[str, float] = {}
    began = {"one": threading.Event(), "two": threading.Event()}
    first_byte: dict[str, float] = {}

    def fetch(name: str, side: int) -> None:
        with start_big(server, side) as connection:
            began[name].set()
            connection.recv(1)
            first_byte[name] = time.monotonic()
            received = 0
            while received < side * side * 64 and (piece := connection.recv(1 << 20)):
                received += len(piece)
            finished[name] = time.monotonic()

    threads = [threading.Thread(target=fetch, args=each) for each in (("one", 1800), ("two", 500))]
    threads[0].start()
    began["one"].wait(60)
    threads[1].start()
    for thread in threads:
        thread.join(200)
    assert first_byte["two"] < finished["one"]


def test_the_description_is_valid_openapi(server: ModelServer) -> None:
    openapi_spec_validator.validate(call(server, "/openapi.json").json())


def test_the_description_names_every_route(server: ModelServer) -> None:
    from server.http.app import create_app
    from server.service import Service
    from server.settings import Settings

    rules = {rule.rule for rule in create_app(Service(Settings(runtime=Path("unused")))).url_map.iter_rules()}
    described = set(call(server, "/openapi.json").json()["paths"])
    ours = {rule.replace("<", "{").replace(">", "}") for rule in rules if not rule.startswith("/static")}
    assert ours - {"/"} == described


def test_the_page_and_every_file_that_it_names_are_served_without_a_token(server: ModelServer) -> None:
    wanted, seen = {"/"}, set()
    while wanted - seen:
        route = min(wanted - seen)
        seen.add(route)
        answer = requests.get(server.url + route, timeout=10)
        assert answer.status_code == 200, route
        wanted |= set(re.findall(r'(?:src|href)="(/[^"#]*)"', answer.text))
        wanted |= {f"/static/{name}" for name in re.findall(r'from "\./([\w.]+)"', answer.text)}
    assert {"/static/page.css", "/static/page.js", "/static/api.js", "/static/help.html"} <= seen


@pytest.mark.parametrize(("name", "format_", "status"), [
    ("bigtiff", None, 200), ("gif", None, 200), ("psd", None, 200), ("jpeg", "avif", 200), ("jpeg", "webp", 200),
    ("long", None, 400), ("long", "webp", 400), ("long", "png", 200), ("hostile", None, 415),
])  # fmt: skip
def test_files_of_many_kinds_by_http(server: ModelServer, name: str, format_: str | None, status: int) -> None:
    """Each as it should, and one that its format cannot hold before anything is computed."""
    body = io.BytesIO()
    if name == "bigtiff":
        tifffile.imwrite(body, picture(8, 9), photometric="rgb", bigtiff=True)
    elif name == "psd":
        body.write(psd(picture(8, 9)))
    elif name == "long":
        body.write(jpeg(picture(32760, 2)))
    elif name == "hostile":
        body.write(HOSTILE["samples"])
    else:
        Image.fromarray(picture(8, 9)).save(body, name.upper())
    given = {"model": "fixed"} | ({} if format_ is None else {"format": format_})
    answer = call(server, "/v1/upscale/file", method="POST", data=body.getvalue(), params=given)
    assert answer.status_code == status, answer.text
    if status == 200:
        with Image.open(io.BytesIO(answer.content)) as result:
            assert result.size == ((4, 65520) if name == "long" else (18, 16))
            assert result.format == (format_ or {"bigtiff": "tiff", "gif": "png", "psd": "png"}[name]).upper()
    elif status == 400:
        assert "holds up to" in answer.json()["message"]
