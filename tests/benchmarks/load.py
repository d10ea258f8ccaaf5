"""The server under load: many clients at once, batches against single tiles, a kill in mid-stream, fuzzed requests and
files, strangers' connections.

    python -m tests.benchmarks.load [--clients 64] [--requests 20] [--icons 32] [--fuzzed 2000] [--weights FOLDER]
        [--part queue|icons|crowd|killed|fuzzed|connections|started …]

Every answer of the crowd is compared with the one that the same picture got alone. Exits with 1 when one is missing or
wrong. Figures of one run stand in docs/load.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import requests
from numpy.typing import NDArray

from server import client
from tests.benchmarks.load_fuzz import fuzzed
from tests.benchmarks.load_queue import batches_against_single_tiles
from tests.hosts.model_server import ModelServer, serving
from tests.server.strangers import strangers

RGB = client.PixelFormat("RGB", "u8")
SIDES = (16, 48, 64, 100, 200, 333)
PARTS = ("queue", "icons", "crowd", "killed", "fuzzed", "connections", "started")


def main() -> int:
    """Run every part and print one line of JSON for each; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=20, help="of each client")
    parser.add_argument("--icons", type=int, default=32, help="clients that send 64×64 pixels each")
    parser.add_argument("--fuzzed", type=int, default=2000, help="random requests, and as many damaged files")
    parser.add_argument("--part", action="append", choices=PARTS, help="only this one; may be given several times")
    parser.add_argument("--weights", type=Path, help="further folder of weights files")
    parser.add_argument("--model", default="fixed")
    arguments = parser.parse_args()
    more = ["--weights", str(arguments.weights)] if arguments.weights else []
    parts: dict[str, Callable[[], dict[str, object]]] = {
        "queue": lambda: batches_against_single_tiles(arguments.icons),
        "icons": lambda: icons_end_to_end(arguments.icons, arguments.model, more),
        "crowd": lambda: crowd(arguments.clients, arguments.requests, arguments.model, more),
        "killed": lambda: killed_in_mid_stream(arguments.model),
        "fuzzed": lambda: hostile_requests(arguments.fuzzed),
        "connections": lambda: connections(1000, 300, arguments.model),
        "started": lambda: started_and_stopped(20),
    }
    told = [parts[name]() for name in arguments.part or PARTS]
    return 0 if all(each.get("right", True) for each in told) else 1


def tell(**figures: object) -> dict[str, object]:
    """Print figures as JSON."""
    print(json.dumps(figures), flush=True)
    return figures


@contextmanager
def server_with(*flags: str) -> Iterator[tuple[ModelServer, client.Runtime]]:
    """Run a server with these flags."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "--engine", "torch", *flags) as server:
        yield server, client.Runtime(server.url, server.token)


def picture(side: int, seed: int) -> NDArray[np.uint8]:
    """Make random pixels (side, side, 3)."""
    return np.random.default_rng([side, seed]).integers(0, 256, (side, side, 3), dtype=np.uint8)


def crowd(clients: int, count: int, model: str, flags: list[str]) -> dict[str, object]:
    """Send mixed sizes from many clients at once; every answer must be right to 1/255, and none be lost."""
    with server_with(*flags) as (_, runtime):
        wanted = {
            (side, seed): np.frombuffer(ask(runtime, picture(side, seed), model), np.uint8).astype(np.int16)
            for side, seed in itertools.product(SIDES, range(3))
        }
        wrong: list[int] = []
        seconds: list[float] = []

        def one(number: int) -> None:
            order = random.Random(number)
            for _ in range(count):
                chosen = order.choice(list(wanted))
                begun = time.perf_counter()
                answer = np.frombuffer(ask(runtime, picture(*chosen), model), np.uint8)
                seconds.append(time.perf_counter() - begun)
                if np.abs(answer - wanted[chosen]).max() > 1:
                    wrong.append(number)

        begun = time.perf_counter()
        lost = at_once(clients, one)
        total = time.perf_counter() - begun
    right = not wrong and not lost and len(seconds) == clients * count
    return tell(
        part="crowd", clients=clients, answers=len(seconds), wrong=len(wrong), lost=lost, seconds=round(total, 1),
        answers_per_second=round(len(seconds) / total, 1), median_s=round(float(np.median(seconds)), 3),
        p99_s=round(float(np.quantile(seconds, 0.99)), 3), right=right,
    )  # fmt: skip


def icons_end_to_end(clients: int, model: str, flags: list[str]) -> dict[str, object]:
    """Compare 64×64 pictures a second with batches and without, in turn."""
    rates: dict[int, list[float]] = {16: [], 1: []}
    for max_batch in (16, 1, 16, 1):
        with server_with("--max-batch", str(max_batch), *flags) as (_, runtime):
            ask(runtime, picture(64, 0), model)

            def one(number: int, runtime: client.Runtime = runtime) -> None:
                for _ in range(10):
                    ask(runtime, picture(64, number), model)

            begun = time.perf_counter()
            at_once(clients, one)
            rates[max_batch].append(clients * 10 / (time.perf_counter() - begun))
    batched, single = (float(np.median(rates[each])) for each in (16, 1))
    return tell(
        part="icons end to end", clients=clients, batched_per_second=round(batched, 1),
        single_per_second=round(single, 1), ratio=round(batched / single, 2),
    )  # fmt: skip


def killed_in_mid_stream(model: str) -> dict[str, object]:
    """Kill the server with SIGKILL while it sends; the client must say so, and another server take over."""
    size = client.Size(1500, 1500)
    with tempfile.TemporaryDirectory() as folder:
        with serving(Path(folder)) as server:
            runtime = client.read_runtime(server.runtime)
            pieces = client.iter_pixels(runtime, bytes(RGB.byte_count(size)), size, RGB, client.Options(model))
            next(pieces)
            server.process.kill()
            sentence = ""
            try:
                for _ in pieces:
                    pass
            except client.ClientError as fault:
                sentence = str(fault)
        with serving(Path(folder)) as server:
            again = ask(client.read_runtime(server.runtime), picture(64, 0), model)
    return tell(part="killed in mid-stream", sentence=sentence, right=bool(sentence) and len(again) == 4 * 64 * 64 * 3)


def hostile_requests(count: int) -> dict[str, object]:
    """Send random requests and damaged files, as many of either."""
    with server_with("--max-megapixels", "1") as (server, _):
        return tell(**fuzzed(server, count))


def connections(idle: int, dripping: int, model: str) -> dict[str, object]:
    """Measure how soon /healthz and a picture are answered while strangers hold connections."""
    healthy, pictures = [], []
    with server_with() as (server, runtime):
        ask(runtime, picture(64, 0), model)
        with strangers(server.url, idle, dripping):
            for _ in range(10):
                begun = time.perf_counter()
                requests.get(server.url + "/healthz", timeout=30)
                healthy.append(time.perf_counter() - begun)
                begun = time.perf_counter()
                ask(runtime, picture(64, 0), model)
                pictures.append(time.perf_counter() - begun)
    return tell(
        part="connections", idle=idle, dripping=dripping, healthz_s=round(max(healthy), 3),
        picture_s=round(max(pictures), 3), right=max(healthy) < 1 and max(pictures) < 2,
    )  # fmt: skip


def started_and_stopped(count: int) -> dict[str, object]:
    """Start a server and end it with SIGTERM, several times; each must end in order and remove its runtime file."""
    starts, stops, right = [], [], True
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(count):
            begun = time.perf_counter()
            with serving(Path(folder)) as server:
                starts.append(time.perf_counter() - begun)
                begun = time.perf_counter()
            stops.append(time.perf_counter() - begun)
            right = right and server.process.returncode == 0 and not server.runtime.exists()
    return tell(
        part="started and stopped", count=count, start_s=round(max(starts[1:]), 2), stop_s=round(max(stops), 2),
        right=right,
    )  # fmt: skip


def ask(runtime: client.Runtime, pixels: NDArray[np.uint8], model: str) -> bytearray:
    """Enlarge pixels (H, W, 3) on the server, trying again while it is busy."""
    return client.upscale(runtime, pixels, client.Size(pixels.shape[1], pixels.shape[0]), RGB, client.Options(model))


def at_once(count: int, work: Callable[[int], None]) -> int:
    """Run `work(0)` … `work(count - 1)` in threads that begin together; returns how many failed."""
    start = threading.Barrier(count)

    def one(number: int) -> bool:
        start.wait()
        try:
            work(number)
        except client.ClientError as fault:
            print(f"client {number}: {fault}", flush=True)
            return False
        return True

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count))).count(False)


if __name__ == "__main__":
    raise SystemExit(main())
