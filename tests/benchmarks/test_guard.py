"""A guard against lost speed: quotients only, taken in turn, printed; a factor of two fails, less is noise."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import weights
from server import client
from server.cli.bench.rates import Forward
from server.cli.bench.rates import bare as bare_network
from server.cli.bench.server import Served, pass_through, photo_like, served
from server.device.allocator import keep_freed_memory

SIZE = client.Size(500, 400)
ROUNDS = 3


@pytest.fixture(scope="module")
def bare() -> Forward:
    keep_freed_memory()  # as the server does
    torch.manual_seed(0)
    return bare_network(weights.build_generator("compact", {}), "torch", torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    generator = weights.build_generator("compact", {})
    told = weights.WeightsMetadata("compact", {}, weights.SCALE, halo=generator.receptive_radius, title="guard")
    weights.save_generator(generator, told, folder / "guard.safetensors")
    with served(["--engine", "torch", "--weights", str(folder)]) as found:
        yield found


def shortest(*runs: Callable[[], object]) -> list[float]:
    """Run all in turn; the shortest of each counts, because what disturbs only ever adds."""
    found = [math.inf] * len(runs)
    for _ in range(ROUNDS):
        for index, run in enumerate(runs):
            begun = time.perf_counter()
            run()
            found[index] = min(found[index], time.perf_counter() - begun)
    return found


def report(capsys: pytest.CaptureFixture[str], name: str, quotient: float) -> None:
    with capsys.disabled():
        print(f"\n{name}: {quotient:.2f}")


def test_a_picture_through_the_server_costs_less_than_twice_its_bare_network(
    server: Served, bare: Forward, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = photo_like(SIZE.width, SIZE.height)
    halo = weights.build_generator("compact", {}).receptive_radius
    tile = np.random.default_rng(0).random((1, 3, 2 * halo + SIZE.height, 2 * halo + SIZE.width), dtype=np.float32)
    pass_through(server, pixels, SIZE, "guard")
    bare(tile)
    ours, network = shortest(lambda: pass_through(server, pixels, SIZE, "guard"), lambda: bare(tile))
    report(capsys, "server / bare network", ours / network)
    assert ours < 2 * network + 0.1


def test_a_batch_costs_less_than_twice_its_tiles_one_by_one(bare: Forward, capsys: pytest.CaptureFixture[str]) -> None:
    tiles = np.random.default_rng(0).random((8, 3, 84, 84), dtype=np.float32)

    def one_by_one() -> None:
        for index in range(len(tiles)):
            bare(tiles[index : index + 1])

    bare(tiles)
    batched, single = shortest(lambda: bare(tiles), one_by_one)
    report(capsys, "batched / one by one", batched / single)
    assert batched < 2 * single


def test_what_surrounds_the_network_costs_less_than_half_of_it(
    bare: Forward, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Cutting, joining, converting: the whole path with a generator that is next to nothing."""
    from tests.server.in_process import bench, save_compact

    save_compact(tmp_path, "small")
    picture = np.frombuffer(photo_like(SIZE.width, SIZE.height), np.uint8).reshape(SIZE.height, SIZE.width, 3)
    tile = np.zeros((1, 3, SIZE.height, SIZE.width), np.float32)
    with bench(tmp_path) as around:
        around.enlarge(picture, "RGB", "u8")
        path, network = shortest(lambda: around.enlarge(picture, "RGB", "u8"), lambda: bare(tile))
    report(capsys, "path around a tiny generator / compact", path / network)
    assert path < network
