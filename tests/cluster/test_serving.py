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

from tests.cluster.ray_cluster import RayCluster
from tests.hosts.model_server import PAIR, ModelServer, serving

WIDTH, HEIGHT = 1024, 768
PICTURE = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8).tobytes()
RESULT_BYTES = 4 * len(PICTURE)
pytestmark = pytest.mark.timeout(900)  # Ray starts slowly on a machine full of other tests
PATIENCE = 120  # seconds for what takes two or three on an idle machine


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


class Request:
    """A picture asked for in the background, so that a test can act in the middle of it."""

    def __init__(self, server: ModelServer) -> None:
        self._result = b""
        self._server = server
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def _ask(self) -> None:
        self._result = enlarge(self._server)

    def finish(self) -> bytes:
        self._thread.join(2 * PATIENCE)
        assert not self._thread.is_alive(), "the answer did not end"
        return self._result


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
    victim = workers(server)[0]["pid"]
    os.kill(victim, signal.SIGSTOP)  # keeps the batches that it is handed, so that it dies in the middle of one
    request = Request(server)
    wait_until(lambda: is_all_but_done(server), "the stopped worker was handed nothing", server)
    os.kill(victim, signal.SIGKILL)
    assert request.finish() == expected
    assert '"batch failed"' in server.log.read_text()
    wait_until(lambda: victim not in pids(server) and len(pids(server)) == 2, "the dead was not replaced", server)
    assert enlarge(server) == expected


def pids(server: ModelServer) -> list[int]:
    return [worker["pid"] for worker in workers(server)]


def is_all_but_done(server: ModelServer) -> bool:
    """Return whether, over a second, nothing waits and nothing comes back: somebody sits on the last batches."""
    for _ in range(5):
        queue = server.get("/v1/status")["queue"]
        if queue["waiting"] or not queue["running"]:
            return False
        time.sleep(0.2)
    return True


def test_a_machine_that_leaves_takes_nothing_along(cluster: RayCluster, server: ModelServer, expected: bytes) -> None:
    wait_until(lambda: len(workers(server)) == 2, "two workers are needed", server)
    request = Request(server)
    wait_until(lambda: bool(server.get("/v1/status")["queue"]["running"]), "the picture was not begun", server)
    machine = cluster.machines.pop()
    machine.terminate()
    assert request.finish() == expected
    machine.wait(PATIENCE)
    wait_until(lambda: len(workers(server)) == 1, "the worker of the machine that left is still there", server)
    assert enlarge(server) == expected


def test_the_workers_weights_come_from_the_server(cluster: RayCluster, server: ModelServer) -> None:
    enlarge(server)
    kept = [path.name for path in (cluster.folder / "cache" / "neural-upscale" / "worker-weights").iterdir()]
    assert kept
    assert all(Path(name).suffix == ".safetensors" for name in kept)
