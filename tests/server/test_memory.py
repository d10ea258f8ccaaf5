"""Memory is bounded by bands: a hundred megapixels add little to what the server holds when idle."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import requests

from server.settings import Settings
from tests.hosts.model_server import ModelServer, serving

SIDE = 10_000
HEIGHT = 10_000
ROW = np.random.default_rng(0).integers(0, 256, SIDE * 3, dtype=np.uint8).tobytes()
ALLOWED = 400e6  # bytes
BY_REQUEST = pytest.mark.skipif(
    not os.environ.get("NEURAL_UPSCALE_FULL_MEMORY"), reason="minutes each: NEURAL_UPSCALE_FULL_MEMORY=1 runs them"
)


class Rows:
    """A body of HEIGHT equal rows that is never in memory as a whole."""

    def __init__(self) -> None:
        self._left = HEIGHT * len(ROW)

    def __len__(self) -> int:
        return self._left

    def read(self, count: int = -1) -> bytes:
        count = self._left if count < 0 else min(count, self._left)
        start = (HEIGHT * len(ROW) - self._left) % len(ROW)
        self._left -= count
        return (ROW * (2 + count // len(ROW)))[start : start + count]


def with_descendants(pid: int) -> list[int]:
    """Return a process and all that it started, directly or not."""
    children = [int(each) for path in Path(f"/proc/{pid}/task").glob("*/children") for each in path.read_text().split()]
    return [pid] + [each for child in children for each in with_descendants(child)]


def peak_and_now(server: ModelServer) -> tuple[int, int]:
    """Return the largest and the present resident size in bytes since the last `forget_peak`, descendants included."""
    peak = now = 0
    for pid in with_descendants(server.process.pid):
        text = Path(f"/proc/{pid}/status").read_text()
        values = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines() if line.startswith("Vm")}
        peak += values["VmHWM"] * 1024
        now += values["VmRSS"] * 1024
    return peak, now


def forget_peak(server: ModelServer) -> None:
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


def use(server: ModelServer, model: str, engine: str) -> None:
    """Enlarge a picture, and see that it ran on the engine that is to be measured."""
    side = 600  # pixels
    server.upscale(bytes(side * side * 3), side, side, "RGB", "u8", model=model)
    told = server.get("/v1/status")["devices"][0]
    assert engine == "torch" or engine in told["engine"]["running"].values(), told


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
@pytest.mark.parametrize(
    ("model", "engine", "factor"),
    [
        ("fixed", "torch", 2),
        pytest.param("fixed", "torch", 3, marks=BY_REQUEST),
        pytest.param("fixed", "torch", 4, marks=BY_REQUEST),
        pytest.param("compact-faithful", "torch", 2, marks=BY_REQUEST),
        pytest.param("compact-faithful", "winograd", 2, marks=BY_REQUEST),
    ],
)
def test_a_hundred_megapixels_add_at_most_400_mb(tmp_path: Path, model: str, engine: str, factor: int) -> None:
    with serving(tmp_path, "--engine", engine, "--keep-alive", "3600", "--max-megapixels", "400") as server:
        for _ in range(2):
            use(server, model, engine)
        forget_peak(server)
        _, idle = peak_and_now(server)
        asked = {"width": SIDE, "height": HEIGHT, "layout": "RGB", "depth": "u8", "model": model}
        answer = requests.post(
            f"{server.url}/v1/upscale", params=asked | {"out_width": factor * SIDE}, data=Rows(),
            headers={"Authorization": f"Bearer {server.token}"}, stream=True, timeout=600,
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        received = sum(len(piece) for piece in answer.iter_content(1 << 20))
        peak, _ = peak_and_now(server)
    assert received == factor**2 * SIDE * HEIGHT * 3
    figures = {"idle": idle, "peak": peak, "added": peak - idle}
    print(f"{model} on {engine}, ×{factor}: {', '.join(f'{name} {it / 1e6:.0f} MB' for name, it in figures.items())}")
    assert peak - idle <= ALLOWED


def test_pictures_of_256_megapixels_are_taken_unless_told_otherwise() -> None:
    assert Settings().max_megapixels == 256
