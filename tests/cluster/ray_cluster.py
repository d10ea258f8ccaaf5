"""A real Ray cluster of several "machines" on this one, made with `ray start` as docs/remote.md tells it."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

STORE_BYTES = 100_000_000
START_SECONDS = 180
ATTEMPTS = 3


@dataclass
class RayCluster:
    """A running cluster.

    Attributes:
        address: HOST:PORT of its head.
        environment: what whoever joins it needs: its token, above all.
        machines: one process for each machine; the first is the head.
    """

    address: str
    environment: dict[str, str] = field(repr=False)
    folder: Path
    machines: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add_machine(self) -> subprocess.Popen[bytes]:
        """Start a further machine with one processor; returns once it has joined."""
        host, port = self.address.split(":")
        head = not self.machines
        place = ["--head", f"--node-ip-address={host}", f"--port={port}", f"--temp-dir={self.folder / 'ray'}"]
        place += ["--include-dashboard=false"]
        machine = _start(place if head else [f"--address={self.address}"], self.environment, self.folder)
        self.machines.append(machine)
        return machine


def _start(place: list[str], environment: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    for _ in range(ATTEMPTS):  # Ray itself gives up after 30 s, which a machine full of other tests may take
        log = folder / f"machine-{secrets.token_hex(4)}.log"
        command = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1"]
        command += ["--disable-usage-stats", f"--object-store-memory={STORE_BYTES}", *place]
        with log.open("wb") as output:
            machine = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
        if _has_come_up(machine, log):
            return machine
        machine.terminate()
        machine.wait()
    pytest.fail(f"`ray start` did not come up:\n{log.read_text()[-3000:]}")


def _has_come_up(machine: subprocess.Popen[bytes], log: Path) -> bool:
    until = time.monotonic() + START_SECONDS
    while machine.poll() is None and time.monotonic() < until:
        if b"Ray runtime started" in log.read_bytes():
            return True
        time.sleep(0.1)
    return False


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """Run a cluster with one machine, of one processor; more can be added. Ends them all."""
    # Ray makes sockets in its folder, whose paths may not be longer than 107 bytes: no pytest folder.
    folder = Path(tempfile.mkdtemp(prefix="nu-ray-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment |= {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(folder / "cache"), "RAY_USAGE_STATS_ENABLED": "0"}
    environment["RAY_worker_niceness"] = "0"  # Ray's 15 gives a worker nothing beside other jobs of this machine
    environment.pop("RAY_ADDRESS", None)
    cluster = RayCluster(f"127.0.0.1:{port}", environment, folder)
    try:
        cluster.add_machine()
        yield cluster
    finally:
        for machine in reversed(cluster.machines):
            machine.terminate()
        for machine in cluster.machines:
            try:
                machine.wait(20)
            except subprocess.TimeoutExpired:
                machine.kill()
                machine.wait()
        shutil.rmtree(folder, ignore_errors=True)
