"""Trying engines on a device: building, checking against float32, timing. Tiles under way and trials take turns."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from server.device.engine_forward import TORCH, EngineFault, Forward, build
from server.device.engine_record import identity_of
from server.device.self_test import self_test_tiles
from server.pipeline.engine import Plan
from server.pipeline.model_store import ModelKey, ModelStore
from weights import Generator, enlarge, parameter_count

LARGEST_TO_COMPILE = 2_000_000  # parameters; beyond, compiling takes minutes
DIFFERENCE_LIMIT = 0.25 / 255
USUAL_TILE = 256  # pixels; what engines are compared on
QUIET = 0.5  # seconds without a tile after which the device counts as idle
PATIENCE = 30.0  # seconds after which a busy device is measured all the same
WARM_UPS = 3  # runs that pay for what is only paid once
ROUNDS = 3  # measurements of each engine, in turn; the shortest counts

log = logging.getLogger(__name__)


class Device(Protocol):
    """What trials need of the device: see `server/device/torch_engine.py`."""

    threads: int
    turn: threading.Lock  # held while a batch runs
    last_run: float  # time.monotonic() when the last batch ended, 0 before the first

    def plan(self, key: ModelKey) -> Plan:
        """Give the usual size of a tile."""

    def run_eager(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run tiles on eager torch, in the precision that the device uses."""

    def dtype_of(self, key: ModelKey) -> str:
        """Name that precision."""


class Host:
    """A device together with its models."""

    def __init__(self, device: Device, store: ModelStore) -> None:
        self.device = device
        self._store = store

    def source(self, key: ModelKey) -> Generator:
        """Give the generator, float32, on the CPU; not to be changed."""
        return self._store.generator(key)

    def exact(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enlarge tiles in float32 on eager torch, on the CPU."""
        with torch.inference_mode():
            result: NDArray[np.float32] = enlarge(self.source(key), torch.from_numpy(tiles)).numpy()
        return result

    def identity(self, key: ModelKey) -> str:
        """Name what a measurement depends on."""
        return identity_of(self.source(key), self.device.dtype_of(key), self.device.threads)

    def is_usual(self, key: ModelKey) -> bool:
        """Say whether this is a single model, a pair's faithful end or its default blend."""
        return not key.detail or self._store.resolve(key.name) == key

    def sample(self, key: ModelKey) -> NDArray[np.float32]:
        """Give a tile of the usual size, context included, (1, 3, H, W)."""
        side = min(self.device.plan(key).tile, USUAL_TILE) + 2 * key.halo
        picture = self_test_tiles()[1:]
        repeats = -(-side // picture.shape[2])
        return np.ascontiguousarray(np.tile(picture, (1, 1, repeats, repeats))[:, :, :side, :side])


class Trial:
    """Tries engines on one device."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def build(self, name: str, key: ModelKey, generator: Generator) -> Forward | None:
        """Build and check; None, with the reason in the log, where the engine is not to be used."""
        if name == "compile" and parameter_count(generator) > LARGEST_TO_COMPILE:
            return None
        begun = time.monotonic()
        try:
            forward = build(name, generator, self._host.device.threads)
        except EngineFault as fault:
            log.info("engine left out", extra={"engine": name, "model": key.name, "reason": str(fault)})
            return None
        difference = self._difference(key, forward)
        told = {"engine": name, "model": key.name, "seconds": round(time.monotonic() - begun, 2)}
        told["difference_255"] = round(difference * 255, 4)
        if not difference <= DIFFERENCE_LIMIT:  # NaN is refused as well
            log.warning("engine refused by its self-test", extra=told)
            return None
        log.info("engine built", extra=told)
        return forward

    def _difference(self, key: ModelKey, forward: Forward) -> float:
        tile = self._host.sample(key)
        tiles = np.ascontiguousarray(tile[:, :, : tile.shape[2] // 2])
        with self._host.device.turn:
            exact = self._host.exact(key, tiles)
            return float(np.abs(forward(tiles) - exact).max())

    def measure(self, key: ModelKey, forwards: dict[str, Forward]) -> dict[str, float]:
        """Time one tile of the usual size on torch and on each engine, in seconds."""
        tile = self._host.sample(key)
        runs: dict[str, Any] = {TORCH: lambda tiles: self._host.device.run_eager(key, tiles), **forwards}
        seconds = dict.fromkeys(runs, float("inf"))
        for number in range(WARM_UPS + ROUNDS):
            self.wait_for_quiet(patience=2.0)
            for name, run in runs.items():
                with self._host.device.turn:
                    begun = time.perf_counter()
                    run(tile)
                    if number >= WARM_UPS:
                        seconds[name] = min(seconds[name], time.perf_counter() - begun)
        return seconds

    def wait_for_quiet(self, patience: float = PATIENCE, *, first_run_over: bool = False) -> None:
        """Wait until the device is idle, or `patience` seconds; with `first_run_over`, idle after its first batch."""
        until = time.monotonic() + patience
        while time.monotonic() < until:
            begun = self._host.device.last_run > 0 or not first_run_over
            if begun and not self._host.device.turn.locked() and time.monotonic() - self._host.device.last_run > QUIET:
                return
            time.sleep(QUIET / 5)
