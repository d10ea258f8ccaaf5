"""The real server with the shipped weights: what is promised of pixels, models, queue and end, over real sockets."""

from __future__ import annotations

import os
import shutil
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
from numpy.typing import NDArray

from server.client.protocol import DEPTHS, LAYOUTS, TRANSFERS, PixelFormat
from server.pixels import transfer as curves
from server.pixels.layouts import DTYPES, WHITE, Planes, as_samples, from_planes
from server.settings import Settings
from tests.hosts.model_server import ModelServer, serving
from tests.server.in_process import photo_like, save_compact
from weights.winograd import compiler

MODEL = "compact-faithful"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with serving(tmp_path_factory.mktemp("server"), "--engine", "torch") as it:
        yield it


def enlarge(
    server: ModelServer, samples: NDArray[np.generic], layout: str, depth: str, **query: str
) -> NDArray[np.generic]:
    height, width = samples.shape[:2]
    raw = server.upscale(samples.tobytes(), width, height, layout, depth, **{"model": MODEL} | query)
    return as_samples(raw, 2 * width, PixelFormat(layout, depth))


@pytest.fixture(scope="module")
def photo() -> NDArray[np.float32]:
    return photo_like(40, 52)


@pytest.fixture(scope="module")
def expected(server: ModelServer, photo: NDArray[np.float32]) -> NDArray[np.float32]:
    return enlarge(server, photo, "RGB", "f32").astype(np.float32)


@pytest.mark.slow
@pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")
def test_a_servers_first_pictures_run_on_winograd_with_every_detail_and_cleanup(tmp_path: Path) -> None:
    asked = [{"detail": "0"}, {"detail": "0.35"}, {"detail": "1", "cleanup": "1"}]
    with serving(tmp_path, "--device", "cpu", "--engine", "winograd") as server:
        for query in asked:
            server.upscale(bytes(40 * 30 * 3), 40, 30, "RGB", "u8", model="compact", **query)
        engine = server.get("/v1/status")["devices"][0]["engine"]
    assert [*engine["running"].values()] == ["winograd"] * len(asked)
    assert engine["on_torch"] == {}


@pytest.mark.parametrize("transfer", TRANSFERS)
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_depth_and_transfer_gives_the_same_picture(
    server: ModelServer,
    photo: NDArray[np.float32],
    expected: NDArray[np.float32],
    layout: str,
    depth: str,
    transfer: str,
) -> None:
    """To within what the depth can hold, in and out; grey is held against the grey picture in float."""
    colour = np.moveaxis(photo, 2, 0)
    if layout.startswith("GRAY"):
        colour = colour[:1]
        wanted = enlarge(server, np.ascontiguousarray(photo[..., :1]), "GRAY", "f32").astype(np.float32)
    else:
        wanted = expected
    given = curves.to_linear(colour) if transfer == "linear" else colour
    pixel_format = PixelFormat(layout, depth)
    alpha = np.ones(photo.shape[:2], np.float32) if LAYOUTS[layout] % 2 == 0 else None
    samples = from_planes(Planes(given, alpha), pixel_format)
    found = enlarge(server, samples, layout, depth, transfer=transfer)
    assert found.dtype == DTYPES[depth]
    values = found.astype(np.float32) / WHITE.get(depth, 1)
    if alpha is not None:
        assert (values[..., -1] == 1).all()
        values = values[..., :-1]
    if layout == "BGRA":
        values = values[..., ::-1]
    if transfer == "linear":
        values = np.moveaxis(curves.to_perceptual(np.ascontiguousarray(np.moveaxis(values, 2, 0))), 0, 2)
    # Eight bits of linear light are coarse where it is dark: a step there is 3 % of the range as displayed.
    allowed = {"u8": 0.004, "u16": 2e-4, "f16": 1e-3, "f32": 1e-4}[depth] * (8 if transfer == "linear" else 1)
    assert np.abs(values - wanted).mean() <= allowed


def test_a_16_bit_ramp_keeps_its_levels_and_its_mean(server: ModelServer) -> None:
    ramp = np.linspace(0, 65535, 1024).round().astype(np.uint16)
    picture = np.ascontiguousarray(np.repeat(ramp[None, :, None], 16, axis=0).repeat(3, axis=2))
    result = enlarge(server, picture, "RGB", "u16")
    assert len(np.unique(result[0, :, 0])) > 1024
    assert abs(result.mean() - picture.mean()) <= 65535 * 0.001


@pytest.mark.parametrize("model", ["compact-faithful", "compact-detailed"])
def test_an_hdr_patch_of_4_comes_back_as_4(server: ModelServer, model: str) -> None:
    picture = np.full((64, 64, 3), 0.2, np.float32)
    picture[16:48, 16:48] = 4.0
    result = enlarge(server, picture, "RGB", "f32", model=model)
    assert np.abs(result[44:84, 44:84].astype(np.float32) / 4 - 1).max() <= 0.01


def test_a_nan_and_a_pixel_of_40_change_nothing_beyond_the_reach_of_bicubic(server: ModelServer) -> None:
    """Held against the photo with the neighbours' mean in place of the one, and white in place of the other."""
    photo = photo_like(64, 64)
    calm = photo.copy()
    around = [(row, column) for row in (19, 20, 21) for column in (29, 30, 31) if (row, column) != (20, 30)]
    calm[20, 30] = np.mean([photo[each] for each in around], axis=0)
    calm[44, 24] = 1
    expected = enlarge(server, calm, "RGB", "f32").astype(np.float32)
    photo[20, 30], photo[44, 24] = np.nan, 40
    result = enlarge(server, photo, "RGB", "f32").astype(np.float32)
    far = np.ones((128, 128), bool)
    for row, column in ((20, 30), (44, 24)):
        far[2 * row - 4 : 2 * row + 6, 2 * column - 4 : 2 * column + 6] = False
    assert np.isfinite(result).all()
    assert np.abs(result - expected)[far].max() <= 1e-5


def test_opaque_stays_opaque_transparent_zero_and_a_disc_gets_no_fringe(server: ModelServer) -> None:
    from tests.server.test_upscale import fringe_beyond_bicubic

    def ours(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        return enlarge(server, picture, "RGBA", "u8").astype(np.float32) / 255

    assert fringe_beyond_bicubic(ours) <= 1 / 255


def tiles_run(server: ModelServer) -> float:
    return counted(server, "neural_upscale_tiles_total")


def counted(server: ModelServer, name: str) -> float:
    text = requests.get(server.url + "/metrics", headers={"Authorization": f"Bearer {server.token}"}, timeout=10).text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def test_constant_alpha_costs_no_tile_more(server: ModelServer, photo: NDArray[np.float32]) -> None:
    costs = []
    for layout, count in (("RGB", 3), ("RGBA", 4)):
        before = tiles_run(server)
        samples = np.full((*photo.shape[:2], count), 128, np.uint8)
        enlarge(server, samples, layout, "u8")
        costs.append(tiles_run(server) - before)
    assert costs[0] == costs[1] > 0


def test_metrics_tell_requests_tiles_batch_size_queue_time_device_time_and_pixels(server: ModelServer) -> None:
    for name in ("requests_total", "tiles_total", "batch_size_count", "queue_seconds_sum", "device_seconds_sum",
                 "pixels_total"):  # fmt: skip
        assert counted(server, f"neural_upscale_{name}") > 0, name


def test_batches_hold_more_than_the_four_threads_that_waitress_has_by_default(server: ModelServer) -> None:
    """Thirty-two clients with an icon each, while a large picture keeps the device busy."""
    icon = bytes(64 * 64 * 3)
    large = threading.Thread(target=lambda: server.upscale(bytes(150 * 150 * 3), 150, 150, "RGB", "u8", model="slow"))
    large.start()
    while not server.get("/v1/status")["queue"]["running"]:
        time.sleep(0.01)
    clients = [
        threading.Thread(target=lambda: server.upscale(icon, 64, 64, "RGB", "u8", model="fixed")) for _ in range(32)
    ]
    for thread in clients:
        thread.start()
    for thread in [*clients, large]:
        thread.join(120)
    batches = counted(server, "neural_upscale_batch_size_count")
    assert batches > counted(server, 'neural_upscale_batch_size_bucket{le="4.0"}')


CLIENT = """
import socket, sys, time
host, port, head, length = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
connection = socket.create_connection((host, port))
connection.sendall(head.encode() + bytes(length))
time.sleep(600)
"""


def test_a_client_that_is_killed_takes_its_tiles_out_of_the_queue_within_a_tile(server: ModelServer) -> None:
    parts, side = urlsplit(server.url), 900
    head = (
        f"POST /v1/upscale?width={side}&height={side}&layout=RGB&depth=u8&model=slow HTTP/1.1\r\n"
        f"Host: {parts.netloc}\r\nAuthorization: Bearer {server.token}\r\nContent-Length: {3 * side * side}\r\n\r\n"
    )
    words = [sys.executable, "-c", CLIENT, str(parts.hostname), str(parts.port), head, str(3 * side * side)]
    with subprocess.Popen(words) as process:
        try:
            until = time.monotonic() + 60
            while not (queue := server.get("/v1/status")["queue"])["running"] or not queue["waiting"]:
                assert time.monotonic() < until, queue
                time.sleep(0.05)
        finally:
            process.kill()
        begun = time.monotonic()
        while (queue := server.get("/v1/status")["queue"])["waiting"] or queue["requests"]:
            assert time.monotonic() - begun < 30, queue
            time.sleep(0.02)
        left = time.monotonic() - begun
    print(f"the queue was empty after {left:.2f} s")
    assert left <= 1.0 + 0.5  # a tile takes up to a second; and two questions over HTTP


def test_as_many_stalled_readers_as_a_batch_has_tiles_leave_healthz_and_status_answering(server: ModelServer) -> None:
    assert Settings().max_batch == 16
    assert Settings().stall_limit == 60
    parts, side = urlsplit(server.url), 600
    connections = []
    try:
        for _ in range(Settings().max_batch):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(60)
            connection.connect((parts.hostname, parts.port))
            connections.append(connection)
            connection.sendall(
                f"POST /v1/upscale?width={side}&height={side}&layout=RGBA&depth=f32&model=fixed HTTP/1.1\r\n"
                f"Host: {parts.netloc}\r\nAuthorization: Bearer {server.token}\r\n"
                f"Content-Length: {16 * side * side}\r\n\r\n".encode()
                + bytes(16 * side * side)
            )
        until = time.monotonic() + 60
        while server.get("/v1/status")["queue"]["requests"] < len(connections):
            assert time.monotonic() < until
        slowest = 0.0
        for _ in range(20):
            begun = time.monotonic()
            assert requests.get(server.url + "/healthz", timeout=10).text == "neural-upscale"
            assert server.get("/v1/status")["queue"]["requests"] == len(connections)
            slowest = max(slowest, time.monotonic() - begun)
            time.sleep(0.1)
        assert slowest < 2  # both together
        assert server.upscale(bytes(48), 4, 4, "RGB", "u8", model="fixed")
    finally:
        for connection in connections:
            connection.close()


def test_weights_that_come_change_and_break_are_noticed_by_the_running_server(tmp_path: Path) -> None:
    body = (photo_like(20, 20) * 255).astype(np.uint8).tobytes()

    def ask(name: str) -> requests.Response:
        return requests.post(
            f"{server.url}/v1/upscale?width=20&height=20&layout=RGB&depth=u8&model={name}", data=body, timeout=60,
            headers={"Authorization": f"Bearer {server.token}"},
        )  # fmt: skip

    with serving(tmp_path, "--keep-alive", "1", "--engine", "torch") as server:
        folder = tmp_path / "weights"
        assert ask("late").status_code == 404
        save_compact(tmp_path, "late", seed=1)
        shutil.move(tmp_path / "late.safetensors", folder)
        first = ask("late")
        assert first.status_code == 200
        save_compact(folder, "late", seed=2)
        second = ask("late")
        assert second.status_code == 200
        assert second.content != first.content
        (folder / "late.safetensors").write_bytes(b"spoilt")
        third = ask("late")
        assert third.status_code >= 400
        assert third.json()["message"].startswith("The model late cannot be used")
        told = server.get("/v1/models")
        assert [each["name"] for each in told["broken"]] == ["late"]
        assert told["default"] == "compact"
        assert "weights file cannot be used" in server.log.read_text()
        assert ask("fixed").status_code == 200
        assert server.get("/v1/status")["devices"][0]["loaded"]
        until = time.monotonic() + 20  # keep_alive frees the device
        while server.get("/v1/status")["devices"][0]["loaded"]:
            assert time.monotonic() < until
            time.sleep(0.2)
        assert ask("fixed").status_code == 200


def test_sigterm_ends_compact_within_five_seconds_and_takes_nothing_new(tmp_path: Path) -> None:
    side = 1500
    with serving(tmp_path, "--engine", "torch") as server:
        address = (urlsplit(server.url).hostname, urlsplit(server.url).port)
        with socket.create_connection(address, timeout=60) as connection:
            connection.sendall(
                f"POST /v1/upscale?width={side}&height={side}&layout=RGB&depth=u8&model={MODEL} HTTP/1.1\r\n"
                f"Host: {urlsplit(server.url).netloc}\r\nAuthorization: Bearer {server.token}\r\n"
                f"Content-Length: {3 * side * side}\r\n\r\n".encode()
                + np.random.default_rng(0).bytes(3 * side * side)
            )
            received = len(connection.recv(1 << 16))  # in mid-reply
            begun = time.monotonic()
            os.kill(server.process.pid, signal.SIGTERM)
            while piece := connection.recv(1 << 20):
                received += len(piece)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, timeout=5).close()
            assert server.process.wait(30) == 0
            ended = time.monotonic() - begun
        print(f"ended after {ended:.2f} s")
        assert ended <= 5
        assert received < 12 * side * side
