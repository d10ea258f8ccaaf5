"""How soon things answer: `neural-upscale --help`, /healthz of a new server, and the first pixels of a small layer.

python -m tests.benchmarks.start [--rounds 5] [--weights FOLDER]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from server import client
from server.cli.bench_server import RGB, photo_like, served
from tests.benchmarks.growth import tiny

SMALL = client.Size(256, 256)


def main() -> None:
    """Measure and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--weights", type=Path, help="a folder with compact-faithful; default: a tiny compact")
    arguments = parser.parse_args()
    found: dict[str, list[float]] = {"--help": [], "/healthz": [], "first pixels": []}
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.weights or tiny(Path(name))
        model = "compact" if arguments.weights else "tiny"
        for _ in range(arguments.rounds):
            begun = time.perf_counter()
            command = [sys.executable, "-c", "from server.cli import main; main(['--help'])"]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            found["--help"].append(time.perf_counter() - begun)
            begun = time.perf_counter()
            with served(["--weights", str(folder)]) as server:
                found["/healthz"].append(time.perf_counter() - begun)
                pixels = photo_like(SMALL.width, SMALL.height)
                next(iter(client.iter_pixels(server.runtime, pixels, SMALL, RGB, model=model)))
                found["first pixels"].append(time.perf_counter() - begun)
    for name, seconds in found.items():
        print(
            f"{name:<14} {statistics.median(seconds):6.2f} s (shortest {min(seconds):.2f}, longest {max(seconds):.2f})"
        )


if __name__ == "__main__":
    main()
