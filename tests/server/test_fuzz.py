"""Whatever is sent, the answer is an answer: never a 500, never a hung connection, no growing memory."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.client.protocol import DEPTHS, LAYOUTS, TRANSFERS
from tests.hosts.model_server import ModelServer, serving

CALM = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
ANYTHING = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with serving(tmp_path_factory.mktemp("server"), "--max-megapixels", "0.02") as it:
        yield it


def resident(server: ModelServer) -> int:
    return int(server.get("/v1/status")["memory"]["resident"])


@CALM
@given(
    query=st.dictionaries(
        st.sampled_from(["width", "height", "layout", "depth", "transfer", "model", "detail", "other"]),
        st.one_of(
            st.integers(-2, 40).map(str),
            st.sampled_from([*LAYOUTS, *DEPTHS, *TRANSFERS, "auto", "fixed", "0.5", "1e400", ""]),
            ANYTHING,
        ),
    ),
    body=st.binary(max_size=300),
)
def test_any_query_and_body_of_the_raw_route(server: ModelServer, query: dict[str, str], body: bytes) -> None:
    answer = requests.post(
        server.url + "/v1/upscale", params=query, data=body, timeout=30,
        headers={"Authorization": f"Bearer {server.token}"},
    )  # fmt: skip
    assert answer.status_code in (200, 400, 404, 413)
    if answer.status_code != 200:
        assert set(answer.json()) == {"error", "message", "request_id"}


@CALM
@given(
    width=st.integers(1, 40), height=st.integers(1, 40), layout=st.sampled_from(list(LAYOUTS)),
    depth=st.sampled_from(list(DEPTHS)), transfer=st.sampled_from(TRANSFERS), seed=st.randoms(),
)  # fmt: skip
def test_any_pixels_at_all_are_enlarged(
    server: ModelServer, width: int, height: int, layout: str, depth: str, transfer: str, seed: st.random_module
) -> None:
    length = width * height * LAYOUTS[layout] * DEPTHS[depth]
    body = seed.randbytes(length)  # type: ignore[attr-defined]
    result = server.upscale(body, width, height, layout, depth, transfer=transfer, model="fixed")
    assert len(result) == 4 * length


@CALM
@given(
    body=st.binary(min_size=1, max_size=400),
    start=st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"RIFF", b"8BPS\0\1", b"\xff\x0a"]),
)
def test_any_bytes_as_a_file(server: ModelServer, body: bytes, start: bytes) -> None:
    answer = requests.post(
        server.url + "/v1/upscale/file", data=start + body, timeout=30,
        headers={"Authorization": f"Bearer {server.token}"},
    )  # fmt: skip
    assert answer.status_code in (400, 413, 415), answer.text


@CALM
@given(method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS", "TRACE"]), target=ANYTHING,
       headers=st.lists(st.tuples(ANYTHING, ANYTHING), max_size=4), body=st.binary(max_size=50))  # fmt: skip
def test_any_bytes_on_the_wire(
    server: ModelServer, method: str, target: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    parts = urlsplit(server.url)
    lines = [f"{method} /{target} HTTP/1.1", f"Host: {parts.netloc}", f"Authorization: Bearer {server.token}"]
    lines += [f"{name}: {value}" for name, value in headers] + ["Connection: close", "", ""]
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1") + body)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    if answer:  # none where the request is not complete when the client has said its last word
        assert answer.startswith(b"HTTP/1.")
        assert not answer.split(b" ", 2)[1].startswith(b"5")


def test_after_all_that_the_server_is_well_and_no_larger(server: ModelServer) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    server.upscale(bytes(300), 10, 10, "RGB", "u8", model="fixed")
    before = resident(server)
    for number in range(300):
        query = {"width": number % 7, "height": 3, "layout": "RGB", "depth": "u8", "model": "fixed"}
        requests.post(server.url + "/v1/upscale", params=query, data=bytes(number % 60), headers=headers, timeout=30)
    assert resident(server) - before < 50e6
    assert [line for line in server.log.read_text().splitlines() if '"level": "error"' in line] == []


def test_every_route_answers_as_its_description_says(server: ModelServer) -> None:
    """Drawn by schemathesis; without its pytest plug-in, which pytest 9 does not load."""
    headers = {"Authorization": f"Bearer {server.token}"}
    checks = [
        schemathesis.checks.not_a_server_error,
        schemathesis.checks.status_code_conformance,
        schemathesis.checks.content_type_conformance,
        schemathesis.checks.response_schema_conformance,
    ]
    described = schemathesis.openapi.from_url(server.url + "/openapi.json", headers=headers)
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) >= 8
    for operation in operations:

        @settings(CALM, max_examples=10)
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            case.validate_response(case.call(headers=headers, timeout=60), checks=checks)

        ask()
