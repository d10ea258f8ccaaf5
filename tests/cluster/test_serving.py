"""`--workers ray` in a real cluster: workers die, machines come and go, and the client notices nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from tests.cluster.ray_cluster import RayCluster, ray_cluster
from tests.hosts.model_server import PAIR, ModelServer, serving

WIDTH, HEIGHT = 1024, 1536
PICTURE = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8).tobytes()
RESULT_BYTES = 4 * len(PICTURE)
PATIENCE = 60  # seconds for what takes two or three on an idle machine


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster() as found:
        yield found


@pytest.fixture(scope="module")
def server(cluster: RayCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A server whose workers live in the cluster: one at first."""
    folder = tmp_path_factory.mktemp("ray-server")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        with serving(folder, "--workers", "ray", "--ray-address", cluster.address, "--device", "cpu") as found:
            wait_until(lambda: len(workers(found)) == 1, "the first worker did not join", found)
            yield found


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What local workers make of the picture."""
    with serving(tmp_path_factory.mktemp("local-server"), "--engine", "torch") as local:
        return enlarge(local)


def workers(server: ModelServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get("/v1/status")["devices"]
    return found


def wait_until(condition: Callable[[], bool], complaint: str, server: ModelServer) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            pytest.fail(f"{complaint}:\n{server.log.read_text()[-4000:]}")
        time.sleep(0.1)


def enlarge(server: ModelServer) -> bytes:
    return server.upscale(PICTURE, WIDTH, HEIGHT, "RGB", "u8", model=PAIR)


class Download:
    """An answer that is read in the background, so that a test can act in the middle of it."""

    def __init__(self, server: ModelServer) -> None:
        self.answer = requests.post(
            f"{server.url}/v1/upscale",
            params={"width": WIDTH, "height": HEIGHT, "layout": "RGB", "depth": "u8", "model": PAIR},
            data=PICTURE,
            headers={"Authorization": f"Bearer {server.token}", "Content-Type": "application/octet-stream"},
            stream=True,
            timeout=PATIENCE,
        )
        assert self.answer.status_code == 200, self.answer.text
        self.received = bytearray(self.answer.raw.read(1 << 16))
        self._thread = threading.Thread(target=self._read)

    def go_on(self) -> None:
        self._thread.start()

    def _read(self) -> None:
        while piece := self.answer.raw.read(1 << 16):
            self.received += piece

    def finish(self) -> bytes:
        self._thread.join(2 * PATIENCE)
        assert not self._thread.is_alive(), "the answer did not end"
        return bytes(self.received)


def test_one_worker_gives_the_pixels_of_the_local_server(server: ModelServer, expected: bytes) -> None:
    assert len(expected) == RESULT_BYTES
    assert enlarge(server) == expected


def test_a_machine_that_joins_gets_a_worker_and_its_share(
    cluster: RayCluster, server: ModelServer, expected: bytes
) -> None:
    before = {worker["pid"] for worker in workers(server)}
    cluster.add_machine()
    wait_until(lambda: len(workers(server)) == 2, "the second machine's worker did not join", server)
    assert enlarge(server) == expected
    joined = [worker for worker in workers(server) if worker["pid"] not in before]
    assert [worker["batches"] > 0 for worker in joined] == [True]


def test_a_worker_killed_in_mid_image_changes_nothing_and_is_replaced(server: ModelServer, expected: bytes) -> None:
    wait_until(lambda: len(workers(server)) == 2, "two workers are needed", server)
    download = Download(server)
    victim = workers(server)[0]["pid"]
    os.kill(victim, signal.SIGSTOP)  # holds whatever batch it is handed, so that it dies in the middle of one
    download.go_on()
    wait_until(lambda: is_stuck(server, download), "the stopped worker was handed nothing", server)
    assert len(download.received) < RESULT_BYTES
    os.kill(victim, signal.SIGKILL)
    assert download.finish() == expected
    assert '"batch failed"' in server.log.read_text()
    wait_until(
        lambda: len(workers(server)) == 2 and victim not in [worker["pid"] for worker in workers(server)],
        "the dead worker was not replaced",
        server,
    )
    assert enlarge(server) == expected


def is_stuck(server: ModelServer, download: Download) -> bool:
    """Say whether nothing comes any more although a batch is under way."""
    before = len(download.received)
    time.sleep(0.5)
    return len(download.received) == before and server.get("/v1/status")["queue"]["running"] > 0


def test_a_machine_that_leaves_takes_nothing_along(cluster: RayCluster, server: ModelServer, expected: bytes) -> None:
    wait_until(lambda: len(workers(server)) == 2, "two workers are needed", server)
    download = Download(server)
    machine = cluster.machines.pop()
    machine.terminate()
    download.go_on()
    assert download.finish() == expected
    machine.wait(PATIENCE)
    wait_until(lambda: len(workers(server)) == 1, "the worker of the machine that left is still there", server)
    assert enlarge(server) == expected


def test_the_workers_weights_come_from_the_server(cluster: RayCluster, server: ModelServer) -> None:
    enlarge(server)
    kept = [path.name for path in (cluster.folder / "cache" / "neural-upscale" / "weights").iterdir()]
    assert kept
    assert all(Path(name).suffix == ".safetensors" for name in kept)
