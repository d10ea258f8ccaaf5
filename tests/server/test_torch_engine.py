"""The torch engine when things go wrong: memory, half precision, one device of two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from server.device.torch_engine import TorchEngine
from server.pipeline.engine import Plan
from server.pipeline.model_store import ModelStore
from tests.server.in_process import UNTILED, bench, exact, photo_like, save_compact
from weights import Generator

PICTURE = photo_like(200, 230)


class Cramped(TorchEngine):
    """A device whose memory holds a run of at most `most` pixels."""

    most = 100 * 100

    def _forward(self, generator: Generator, dtype: torch.dtype, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        if tiles.shape[0] * tiles.shape[2] * tiles.shape[3] > self.most:
            raise torch.OutOfMemoryError("made up by the test")
        return super()._forward(generator, dtype, tiles)


class CrampedApple(TorchEngine):
    """The same on Apple's devices, where torch raises no error of its own for it."""

    def _forward(self, generator: Generator, dtype: torch.dtype, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        if tiles.shape[0] * tiles.shape[2] * tiles.shape[3] > Cramped.most:
            raise RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GB, max allowed: 9.07 GB).")
        return super()._forward(generator, dtype, tiles)


class Tiny(Cramped):
    """A device on which not even the smallest tile fits."""

    most = 60 * 60


class Overflowing(TorchEngine):
    """A device whose half precision gives NaN once the self-test is over."""

    def _forward(self, generator: Generator, dtype: torch.dtype, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        result = super()._forward(generator, dtype, tiles)
        if dtype != torch.float32 and self._models:
            result[:, 1, 5, 5] = np.nan
        return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_compact(tmp_path, "compact-faithful", gain=0.1)
    return tmp_path


@pytest.fixture
def expected(folder: Path) -> NDArray[np.float32]:
    with bench(folder) as plain:
        return plain.enlarge(PICTURE, "RGB", "f32", plan=UNTILED)


@pytest.mark.parametrize("device", [Cramped, CrampedApple, Tiny])
def test_when_memory_runs_out_the_result_is_the_same(
    folder: Path, expected: NDArray[np.float32], device: type[Cramped]
) -> None:
    with bench(folder, lambda store: [device(store, dtype="float32")]) as cramped:
        result = cramped.enlarge(PICTURE, "RGB", "f32", plan=Plan(256, 1 << 20))
        learned = cramped.queue.engines[0].plan(cramped.key())
    assert np.abs(result - expected).max() <= 1e-5
    assert learned.tile < 256  # the next picture is cut smaller at once


def test_a_batch_that_does_not_fit_is_halved(folder: Path) -> None:
    store = ModelStore([folder])
    tiles = np.random.default_rng(0).random((5, 3, 60, 60), dtype=np.float32)
    key = store.resolve()
    assert np.abs(Cramped(store, dtype="float32").run(key, tiles) - exact(store).run(key, tiles)).max() <= 1e-6


def test_a_tile_that_is_not_finite_in_half_precision_is_run_again_in_float32(
    folder: Path, expected: NDArray[np.float32]
) -> None:
    with bench(folder, lambda store: [Overflowing(store, dtype="bfloat16")]) as half:
        result = half.enlarge(PICTURE, "RGB", "f32", plan=UNTILED)
        assert half.queue.engines[0].describe()["loaded"][0]["dtype"] == "bfloat16"
    assert np.abs(result - expected).max() <= 1e-5


def test_half_precision_that_fails_its_self_test_is_not_used(tmp_path: Path) -> None:
    save_compact(tmp_path, "compact-faithful", gain=30)
    store = ModelStore([tmp_path])
    engine = TorchEngine(store, dtype="bfloat16")
    engine.warm_up(store.resolve())
    assert engine.describe()["loaded"][0]["dtype"] == "float32"


def test_a_device_dying_in_mid_image_changes_nothing(folder: Path, expected: NDArray[np.float32]) -> None:
    class Dying(TorchEngine):
        runs = 0

        def _forward(self, generator: Generator, dtype: torch.dtype, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
            self.runs += 1
            if self.runs > 3:
                raise RuntimeError("CUDA error: device-side assert triggered")
            return super()._forward(generator, dtype, tiles)

    with bench(folder, lambda store: [Dying(store, dtype="float32"), exact(store)], max_batch=1) as two:
        result = two.enlarge(PICTURE, "RGB", "f32", plan=Plan(64, 1))
    assert np.abs(result - expected).max() <= 1e-5


def test_tiles_are_as_large_as_a_second_allows(folder: Path) -> None:
    store = ModelStore([folder])
    engine, key = TorchEngine(store), store.resolve()
    engine.sizing.speed[key] = 1e4
    assert engine.plan(key).tile == 64
    engine.sizing.speed[key] = 1e5
    assert engine.plan(key).tile == 256
    engine.sizing.speed[key] = 1e8
    assert engine.plan(key).tile == 512


def test_memory_is_freed_and_the_generator_comes_back(folder: Path) -> None:
    store = ModelStore([folder])
    engine, key = TorchEngine(store), store.resolve()
    tiles = np.full((1, 3, 20, 20), 0.5, np.float32)
    before = engine.run(key, tiles)
    engine.free()
    assert engine.describe()["loaded"] == []
    assert np.array_equal(engine.run(key, tiles), before)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_gets_its_memory_back(folder: Path, monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    emptied: list[str] = []
    monkeypatch.setattr(getattr(torch, device), "empty_cache", lambda: emptied.append(device))
    TorchEngine(ModelStore([folder]), device).free()
    assert emptied == [device]


def test_on_a_cpu_small_tiles_share_a_run_and_large_ones_do_not(folder: Path) -> None:
    store = ModelStore([folder])
    engine, key = TorchEngine(store), store.resolve()
    engine.sizing.speed[key] = 1e8  # time allows any batch
    assert engine.batch_limit(key, 92, 92) == 16
    assert engine.batch_limit(key, 540, 284) == 1
