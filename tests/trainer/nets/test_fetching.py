"""Fetching: streamed, resumed, hash checked; against a real HTTP server."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from trainer.errors import PerceptualError
from trainer.nets.feature_networks import build_feature_network
from trainer.nets.feature_weights import Source, load_feature_network
from trainer.nets.fetching import fetch

CONTENT = bytes(range(256)) * 16_384
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Server(ThreadingHTTPServer):
    """Serves one file; breaks off the first `breaks` answers half-way."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.breaks, self.knows_ranges, self.ranges = content, 0, True, []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/weights.pth"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.path != "/weights.pth":
            self.send_error(404)
            return
        asked = self.headers.get("Range") if self.server.knows_ranges else None
        self.server.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if start >= len(self.server.content):
            self.send_error(416)
            return
        body = self.server.content[start:]
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.breaks:
            self.server.breaks -= 1
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    server = _Server(CONTENT)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_fetched_whole(server: _Server, tmp_path: Path) -> None:
    assert fetch(server.url, tmp_path / "deep" / "w.pth", SHA256[:8]).read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["w.pth"]


def test_a_broken_connection_is_taken_up_where_it_stopped(server: _Server, tmp_path: Path) -> None:
    server.breaks = 2
    assert fetch(server.url, tmp_path / "w.pth", SHA256).read_bytes() == CONTENT
    half = len(CONTENT) // 2
    assert server.ranges == [None, f"bytes={half}-", f"bytes={half + (len(CONTENT) - half) // 2}-"]


def test_a_later_run_goes_on_with_what_is_there(server: _Server, tmp_path: Path) -> None:
    server.breaks = 1
    with pytest.raises(PerceptualError, match="could not be fetched"):
        fetch(server.url, tmp_path / "w.pth", SHA256, attempts=1)
    assert (tmp_path / "w.pth.part").stat().st_size == len(CONTENT) // 2
    assert fetch(server.url, tmp_path / "w.pth", SHA256).read_bytes() == CONTENT
    assert server.ranges[-1] == f"bytes={len(CONTENT) // 2}-"


def test_a_server_without_ranges_sends_all_again(server: _Server, tmp_path: Path) -> None:
    server.breaks, server.knows_ranges = 1, False
    assert fetch(server.url, tmp_path / "w.pth", SHA256).read_bytes() == CONTENT


def test_a_complete_part_is_not_fetched_again(server: _Server, tmp_path: Path) -> None:
    (tmp_path / "w.pth.part").write_bytes(CONTENT)
    assert fetch(server.url, tmp_path / "w.pth", SHA256).read_bytes() == CONTENT


def test_another_file_is_thrown_away(server: _Server, tmp_path: Path) -> None:
    with pytest.raises(PerceptualError, match="0badc0de… was expected; it was thrown away"):
        fetch(server.url, tmp_path / "w.pth", "0badc0de")
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_and_an_absent_server_are_told_in_a_sentence(server: _Server, tmp_path: Path) -> None:
    with pytest.raises(PerceptualError, match=r"could not be fetched \(status 404\)"):
        fetch(server.url + "x", tmp_path / "w.pth", SHA256)
    with pytest.raises(PerceptualError, match=r"could not be fetched \(ConnectionError\).*--perceptual-weights"):
        fetch("http://127.0.0.1:1/w.pth", tmp_path / "w.pth", SHA256, attempts=1)


def test_fetched_weights_are_kept_without_their_classifier(
    server: _Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = build_feature_network("squeezenet")
    buffer = io.BytesIO()
    torch.save(network.state_dict() | {"classifier.1.weight": torch.zeros(1000)}, buffer)
    server.content = buffer.getvalue()
    monkeypatch.setenv("NEURAL_UPSCALE_CACHE", str(tmp_path / "cache"))
    sources = {"squeezenet": Source(server.url, hashlib.sha256(server.content).hexdigest()[:8])}
    load_feature_network("squeezenet", sources=sources)
    loaded = load_feature_network("squeezenet", sources=sources)
    assert len(server.ranges) == 1
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".safetensors"]
    torch.testing.assert_close(loaded.layer(0).weight, network.layer(0).weight)
