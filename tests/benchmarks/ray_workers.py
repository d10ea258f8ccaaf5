"""What a second Ray worker gains: one picture through a real server with one worker, then with two, one core each.

    python -m tests.benchmarks.ray_workers [--megapixels 2] [--rounds 3] [--weights DIR --model NAME]

Both workers live on this machine, which needs two idle cores beside the server's. docs/scaling.md reads the result.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.cluster.ray_cluster import ray_cluster
from tests.hosts.model_server import PAIR, ModelServer, serving

WAIT = 300  # seconds for a worker to join


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--megapixels", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weights", type=Path, help="further folder of weights files")
    parser.add_argument("--model", default=PAIR)
    given = parser.parse_args()
    height = max(1, round(given.megapixels * 1e6 / 1600))
    picture = np.random.default_rng(1).integers(0, 256, (height, 1600, 3), np.uint8).tobytes()
    more = ["--weights", str(given.weights.absolute())] if given.weights else []
    with ray_cluster() as cluster, tempfile.TemporaryDirectory(prefix="nu-bench-") as folder:
        os.environ.update(cluster.environment)
        flags = ["--workers", "ray", "--ray-address", cluster.address, "--device", "cpu", *more]
        with serving(Path(folder), *flags) as server:
            one = _measured(server, 1, picture, height, given.model, given.rounds)
            cluster.add_machine()
            two = _measured(server, 2, picture, height, given.model, given.rounds)
    print(f"two workers are {one / two:.2f} times as fast as one")


def _measured(server: ModelServer, workers: int, picture: bytes, height: int, model: str, rounds: int) -> float:
    until = time.monotonic() + WAIT
    while len(server.get("/v1/status")["devices"]) < workers and time.monotonic() < until:
        time.sleep(0.2)
    seconds = []
    for number in range(rounds + 1):
        begun = time.perf_counter()
        server.upscale(picture, 1600, height, "RGB", "u8", model=model)
        if number:  # the first loads, and learns how fast the worker is
            seconds.append(time.perf_counter() - begun)
    rate = 1600 * height / 1e6 / statistics.median(seconds)
    print(
        f"{workers} worker(s): {statistics.median(seconds):.2f} s, {rate:.3f} megapixels/s, all: {seconds}", flush=True
    )
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
