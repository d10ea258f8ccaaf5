"""Files are read in a process of their own: none takes longer than its time, and whoever waits may stop waiting."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import requests
from PIL import Image

from server.errors import ClientGone, NotAnImage, TooLarge
from server.images.decoder import Decoder
from server.images.files import read_photo
from tests.hosts.model_server import ModelServer, serving
from tests.server.file_kinds import XMP, exif, iptc, jpeg, picture, rgb_png, text
from tests.server.test_command_line import PROGRAM, run

LIMIT = 64_000_000  # pixels
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs pipes with names")


@pytest.fixture
def decoder() -> Iterator[Decoder]:
    with Decoder() as it:
        yield it


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A file that never ends: reading it waits for a writer."""
    path = tmp_path / "endless.png"
    os.mkfifo(path)
    return path


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A JPEG of 63 megapixels that sends the same refinement of them ninety times: many seconds, on any machine."""
    file = io.BytesIO()
    Image.new("RGB", (7930, 7930), (90, 120, 30)).save(file, "JPEG", progressive=True, subsampling=0)
    contents = file.getvalue()
    last = contents.rindex(b"\xff\xc4")
    return contents[:-2] + contents[last:-2] * 88 + contents[-2:]


def test_what_a_file_says_comes_back_whole(decoder: Decoder) -> None:
    packet = XMP % (b"", b"words")
    block = exif([text(0x013B, "Somebody")])
    segments = [(0xE1, b"Exif\0\0" + block), (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet),
                (0xED, b"Photoshop 3.0\0" + iptc((80, b"me"))), (0xFE, b"a comment"), (0xE7, b"other")]  # fmt: skip
    for contents in (jpeg(None, *segments, behind=b"film"), rgb_png()):
        here, there = read_photo(contents, "it", LIMIT), decoder.read(contents, "it", LIMIT)
        assert np.array_equal(there.samples, here.samples)
        there.samples = here.samples
        assert vars(there) == vars(here)


def test_faults_are_the_same_as_without_a_process(decoder: Decoder, tmp_path: Path) -> None:
    with pytest.raises(NotAnImage, match="none of the formats"):
        decoder.read(b"no picture", "it", LIMIT)
    with pytest.raises(TooLarge, match=r"0\.0 megapixels, the limit is 0\.001; raise the server's --max-megapixels"):
        decoder.read(rgb_png(), "it", 1000)
    with pytest.raises(FileNotFoundError) as caught:
        decoder.read(tmp_path / "missing.png", "it", LIMIT)
    assert caught.value.filename == str(tmp_path / "missing.png")


@posix
def test_a_file_has_its_time_and_the_next_one_is_read(decoder: Decoder, endless: Path) -> None:
    with pytest.raises(NotAnImage, match=r"endless\.png takes longer than 0\.5 seconds to decode; .* save it anew"):
        decoder.read(endless, endless.name, LIMIT, seconds=0.5)
    assert decoder.read(rgb_png(), "it", LIMIT).samples.shape == picture().shape


@posix
def test_whoever_leaves_is_not_decoded_for(decoder: Decoder, endless: Path) -> None:
    with pytest.raises(ClientGone):
        decoder.read(endless, "it", LIMIT, is_gone=lambda: True)


@posix
def test_a_decoder_that_crashes_is_a_sentence_and_the_next_file_is_read(decoder: Decoder, endless: Path) -> None:
    decoder.read(rgb_png(), "it", LIMIT)
    process = decoder._running()
    threading.Timer(0.5, process.send_signal, [signal.SIGSEGV]).start()
    with pytest.raises(NotAnImage, match="it made its decoder crash"):
        decoder.read(endless, "it", LIMIT)
    assert decoder.read(rgb_png(), "it", LIMIT).samples.shape == picture().shape


def test_a_file_larger_than_any_picture_of_the_limit_is_not_read(decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.write(rgb_png())
        file.truncate(200 << 20)
    with pytest.raises(TooLarge, match=r"has 210 MB, the limit is 150"):
        decoder.read(path, "it", 1_000_000)


def test_a_picture_that_memory_cannot_hold_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.images.limits.memory", lambda: 20_000)
    with pytest.raises(TooLarge, match=r"takes 0\.0 GB of memory with its result, this machine has 0\.0; enlarge a"):
        read_photo(rgb_png(), "it", LIMIT)


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_ctrl_c_ends_the_command_line_while_it_decodes(model_server: ModelServer, slow: bytes, tmp_path: Path) -> None:
    (tmp_path / "slow.jpg").write_bytes(slow)
    process = subprocess.Popen(
        [*PROGRAM, "slow.jpg"], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "NEURAL_UPSCALE_RUNTIME": str(model_server.runtime),
             "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    time.sleep(3)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told == "Stopped.\n"
    with pytest.raises(ProcessLookupError):  # its decoder has ended as well
        os.killpg(process.pid, 0)


def test_the_command_line_says_the_servers_limit_before_it_decodes(slow: bytes, tmp_path: Path) -> None:
    (tmp_path / "slow.jpg").write_bytes(slow)
    with serving(tmp_path, "--max-megapixels", "60") as server:
        done = run(server.runtime, "slow.jpg", folder=tmp_path)
    assert done.returncode == 1
    assert "slow.jpg has 7930×7930 = 62.9 megapixels, the limit is 60; raise the server's --max-meg" in done.stderr


def test_a_request_that_is_cancelled_while_it_decodes_makes_room_for_the_next(
    model_server: ModelServer, slow: bytes
) -> None:
    parts = urlsplit(model_server.url)
    head = [
        "POST /v1/upscale/file?model=fixed HTTP/1.1", f"Host: {parts.netloc}",
        f"Authorization: Bearer {model_server.token}", f"Content-Length: {len(slow)}", "", "",
    ]  # fmt: skip
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connection:
        connection.sendall("\r\n".join(head).encode() + slow)
        time.sleep(1.5)
        assert post(model_server) == 503  # one at a time
    begun = time.monotonic()
    while (status := post(model_server)) == 503 and time.monotonic() < begun + 60:
        time.sleep(0.1)
    assert status == 200


def post(server: ModelServer) -> int:
    answer = requests.post(
        server.url + "/v1/upscale/file?model=fixed", data=rgb_png(), timeout=60,
        headers={"Authorization": f"Bearer {server.token}"},
    )  # fmt: skip
    return answer.status_code
