"""Pictures through a real server of our own starting: seconds and memory. No torch, no flask.

The server is a process of its own on a free port with its own runtime file, so that a running one is left alone.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from server import client
from server.client.start import clean_environment

START_SECONDS = 120
LOOK = 0.1  # seconds between looks at the server's memory
RGB = client.PixelFormat("RGB", "u8", "perceptual")


@dataclass(frozen=True)
class Passage:
    """One picture through the server."""

    pixels: int  # of the input
    first: float  # seconds until the first bytes of the result
    seconds: float  # until the last
    cpu: float | None  # seconds of processor time that the server spent, or None where the system does not tell
    resident: int  # highest resident memory of the server meanwhile, bytes; 0 where the system does not tell


@dataclass(frozen=True)
class Served:
    """A server of our own."""

    runtime: client.Runtime  # how to reach it
    process: subprocess.Popen[bytes]  # its process
    log: Path  # the file that takes its output
    started: float  # seconds from its start until it answered

    def status(self) -> dict[str, Any]:
        """Return the contents of `/v1/status`."""
        return client.status(self.runtime)


@contextlib.contextmanager
def served(options: Sequence[str] = ()) -> Iterator[Served]:
    """Start a server and end it.

    Args:
        options: further words of `neural-upscale serve`.

    Yields:
        The server, answering; its devices may still be loading.

    Raises:
        client.NoServer: it did not come up; its last words are in the message.
    """
    with tempfile.TemporaryDirectory(prefix="neural-upscale-bench-") as name:
        folder = Path(name)
        path, log = folder / "state" / "runtime.json", folder / "log.txt"
        command = [sys.executable, "-m", "server", "--port", "0", *options]
        environment = clean_environment(os.environ) | {client.RUNTIME_VARIABLE: str(path)}
        begun = time.monotonic()
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=Path(__file__).resolve().parents[3], env=environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        try:
            runtime = _answering(process, path, log)
            yield Served(runtime, process, log, time.monotonic() - begun)
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
            process.wait()


def _answering(process: subprocess.Popen[bytes], path: Path, log: Path) -> client.Runtime:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if path.exists():
            runtime = client.read_runtime(path)
            if client.is_healthy(runtime):
                return runtime
        time.sleep(0.01)
    last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
    raise client.NoServer(f"The server to be measured did not start: {' '.join(last)}")


def photo_like(width: int, height: int) -> bytes:
    """Make RGB u8 pixels that are neither flat nor noise; the same ones every time."""
    random = np.random.default_rng(1)
    block = random.integers(0, 256, (256, 256, 3)).astype(np.float32)
    for axis in (0, 1):
        for _ in range(4):
            block = (np.roll(block, 1, axis) + np.float32(2) * block + np.roll(block, -1, axis)) / np.float32(4)
    block = np.clip(128 + (block - 128) * 4, 0, 255).astype(np.uint8)
    return np.tile(block, (-(-height // 256), -(-width // 256), 1))[:height, :width].tobytes()


def pass_through(server: Served, pixels: bytes, size: client.Size, model: str = "auto") -> Passage:
    """Send a picture, RGB u8, take the result away, and tell what it took."""
    watcher = _Watcher(server.process.pid)
    spent = _cpu_seconds(server.process.pid)
    begun = time.perf_counter()
    first = 0.0
    received = 0
    with watcher:
        for piece in client.iter_pixels(server.runtime, pixels, size, RGB, client.Options(model)):
            first = first or time.perf_counter() - begun
            received += len(piece)
        seconds = time.perf_counter() - begun
    if received != RGB.byte_count(size.enlarged()):
        raise client.WrongAnswer(f"{received} bytes came; expected {RGB.byte_count(size.enlarged())}; see the log.")
    after = _cpu_seconds(server.process.pid)
    cpu = None if spent is None or after is None else after - spent
    return Passage(size.width * size.height, first, seconds, cpu, watcher.highest)


class _Watcher:
    """Looks at a process's resident memory while it is entered."""

    def __init__(self, pid: int) -> None:
        self.highest = 0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            with contextlib.suppress(OSError, ValueError, IndexError):
                pages = int(Path(f"/proc/{self._pid}/statm").read_text(encoding="ascii").split()[1])
                self.highest = max(self.highest, pages * mmap.PAGESIZE)
            if self._over.wait(LOOK):
                return


def _cpu_seconds(pid: int) -> float | None:
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return None
