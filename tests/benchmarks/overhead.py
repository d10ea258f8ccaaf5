"""What a picture through client, server and client costs beyond the bare network on the same tiles.

    python -m tests.benchmarks.overhead [--megapixels 12] [--engine torch] [--rounds 3] [--weights FOLDER]

In turn, in one run: some of the picture's own tiles on the bare network in this process, the whole picture through a
real server, the tiles again. Printed: the median of the quotients (server's seconds) / (bare seconds of all its tiles).
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from pathlib import Path

import numpy as np
import torch

from server import client
from server.cli.bench_rates import eager
from server.cli.bench_server import Served, pass_through, photo_like, served
from server.device.allocator import keep_freed_memory
from server.device.engine_forward import TORCH, Forward, build
from server.pipeline.tiling import plan_bands, plan_tiles
from weights import load_generator

BARE_TILES = 6  # in each half of a round


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=12.0)
    parser.add_argument("--engine", default=TORCH)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--weights", type=Path, required=True, help="a folder with NAME.safetensors of a compact")
    parser.add_argument("--model", default="compact")
    arguments = parser.parse_args()
    keep_freed_memory()  # as the server does, so that the bare network has the same advantage
    width = math.isqrt(int(arguments.megapixels * 1e6 * 4 / 3))
    size = client.Size(width, width * 3 // 4)
    loaded = load_generator(next(iter(sorted(arguments.weights.glob(f"{arguments.model}*.safetensors")))))
    bare = (
        eager(loaded.generator, torch.device("cpu"), torch.float32)
        if arguments.engine == TORCH
        else build(arguments.engine, loaded.generator, torch.get_num_threads())
    )
    with served(["--engine", arguments.engine, "--weights", str(arguments.weights)]) as server:
        compare(server, bare, size, loaded.metadata.halo, arguments)


def compare(server: Served, bare: Forward, size: client.Size, halo: int, arguments: argparse.Namespace) -> None:
    """Warm both sides, then measure them in turn."""
    pixels = photo_like(size.width, size.height)
    warm = client.Size(1000, 700)
    for _ in range(3):  # the first may come before the device is there, the second starts the building of an engine
        pass_through(server, photo_like(warm.width, warm.height), warm, arguments.model)
        server.wait_for_engines()
    quotients, passages, rates = [], [], []
    for number in range(arguments.rounds):
        width, height, tiles = tiles_of(server, size, halo, arguments)
        before = seconds_per_tile(bare, width, height)
        passage = pass_through(server, pixels, size, arguments.model)
        after = seconds_per_tile(bare, width, height)
        network = (before + after) / 2 * tiles
        quotients.append(passage.seconds / network)
        passages.append(passage)
        rates.append(network)
        print(
            f"round {number}: server {passage.seconds:.2f} s (first bytes {passage.first:.2f} s, cpu {passage.cpu} s, "
            f"resident {passage.resident / 2**20:.0f} MiB), bare {network:.2f} s ({before:.3f} and {after:.3f} s a "
            f"tile of {width}x{height}, {tiles} tiles), quotient {quotients[-1]:.3f}",
            flush=True,
        )
    print(
        json.dumps(
            {
                "megapixels": round(size.width * size.height / 1e6, 2), "engine": arguments.engine,
                "server_seconds": round(statistics.median(each.seconds for each in passages), 2),
                "bare_seconds": round(statistics.median(rates), 2),
                "quotient": round(statistics.median(quotients), 3),
            }
        )
    )  # fmt: skip


def tiles_of(server: Served, size: client.Size, halo: int, arguments: argparse.Namespace) -> tuple[int, int, float]:
    """Give the commonest tile, context included, and how many of its size the picture's tiles amount to."""
    plans = server.status()["devices"][0]["plans"]
    plan = next(each for name, each in plans.items() if name.endswith(" " + arguments.engine))
    cut = [
        (tile.width + 2 * halo, tile.height + 2 * halo)
        for band in plan_bands(size.width, size.height, plan["tile"], plan["band_pixels"])
        for tile in plan_tiles(band, plan["tile"])
    ]
    width, height = max(set(cut), key=cut.count)
    return width, height, sum(wide * high for wide, high in cut) / (width * height)


def seconds_per_tile(bare: Forward, width: int, height: int) -> float:
    """Give the median seconds of one tile on the bare network."""
    tiles = np.random.default_rng(0).random((1, 3, height, width), dtype=np.float32)
    taken = []
    for number in range(BARE_TILES + 3):
        begun = time.perf_counter()
        bare(tiles)
        if number > 2:
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
