"""Memory is bounded by bands: a hundred megapixels add little to what the server holds when idle."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import requests

from tests.hosts.model_server import ModelServer, serving

SIDE = 10_000
ROW = np.random.default_rng(0).integers(0, 256, SIDE * 3, dtype=np.uint8).tobytes()
ALLOWED = 400e6  # bytes


class Rows:
    """A body of SIDE equal rows that is never in memory as a whole."""

    def __init__(self) -> None:
        self._left = SIDE * len(ROW)

    def __len__(self) -> int:
        return self._left

    def read(self, count: int = -1) -> bytes:
        count = self._left if count < 0 else min(count, self._left)
        start = (SIDE * len(ROW) - self._left) % len(ROW)
        self._left -= count
        return (ROW * (2 + count // len(ROW)))[start : start + count]


def peak_and_now(server: ModelServer) -> tuple[int, int]:
    """Give the largest and the present resident size in bytes since the last `forget_peak`."""
    text = Path(f"/proc/{server.process.pid}/status").read_text()
    values = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines() if line.startswith("Vm")}
    return values["VmHWM"] * 1024, values["VmRSS"] * 1024


def forget_peak(server: ModelServer) -> None:
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_a_hundred_megapixels_add_at_most_400_mb(tmp_path: Path) -> None:
    # Other engines are built in the background, and what their packages take is not the picture's.
    with serving(tmp_path, "--engine", "torch") as server:
        small = np.zeros((300, 300, 3), np.uint8)
        server.upscale(small.tobytes(), 300, 300, "RGB", "u8", model="fixed")
        forget_peak(server)
        _, idle = peak_and_now(server)
        answer = requests.post(
            f"{server.url}/v1/upscale?width={SIDE}&height={SIDE}&layout=RGB&depth=u8&model=fixed", data=Rows(),
            headers={"Authorization": f"Bearer {server.token}"}, stream=True, timeout=600,
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        received = sum(len(piece) for piece in answer.iter_content(1 << 20))
        peak, _ = peak_and_now(server)
    assert received == 4 * SIDE * SIDE * 3
    print(f"idle {idle / 1e6:.0f} MB, peak {peak / 1e6:.0f} MB, added {(peak - idle) / 1e6:.0f} MB")
    assert peak - idle <= ALLOWED
