"""Winograd's filtering on the CPU for `compact` generators, several times as fast as torch; all others are torch's.

A generator is decided upon once, before its first tile. Where the kernel cannot be built, gives other pixels than torch
in float32, or is slower on this machine, torch runs the generator; what fails later leaves it to torch as well.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from server.device.engine_choice import EngineChoice
from server.device.model_cache import place
from server.device.self_test import LIMIT, largest_difference, self_test_tiles
from server.device.tile_sizing import TileSizing
from server.device.timing import median_seconds
from server.device.torch_engine import TorchEngine, finite_tiles, run_generator
from server.device.winograd.network import WinogradNetwork
from server.device.winograd.program import WinogradFault
from server.pipeline.engine import Plan
from server.pipeline.model_store import ModelKey, ModelStore
from weights import build_generator

NAME = "winograd"
MOST_BAND_PIXELS = 1 << 21
KEPT = 4  # generators
SAMPLE = {"features": 48, "layers": 4}  # of `compact`: as wide as the shipped one, and quicker to measure
PATIENCE = 0.2  # seconds for measuring each engine
CPU = torch.device("cpu")

log = logging.getLogger(__name__)


class WinogradEngine:
    """The CPU with both engines.

    Args:
        store: where generators come from.
        torch_engine: runs what this one cannot; on the CPU.
        choice: which of the two is faster here; None takes Winograd wherever it can be used.
        max_batch: tiles that a run may hold at most.
        folder: where the compiled kernel is kept; None means in the user's cache folder.
    """

    def __init__(
        self, store: ModelStore, torch_engine: TorchEngine, choice: EngineChoice | None = None,
        *, max_batch: int = 16, folder: Path | None = None,
    ) -> None:  # fmt: skip
        self.name = torch_engine.name
        self.sizing = TileSizing(is_cpu=True, max_batch=max_batch, most_band_pixels=MOST_BAND_PIXELS)
        self._store, self._torch, self._choice = store, torch_engine, choice
        self._folder = folder
        self._networks: OrderedDict[ModelKey, WinogradNetwork] = OrderedDict()
        self._left: dict[ModelKey, str] = {}  # to torch, and why

    def plan(self, key: ModelKey) -> Plan:
        """Return the largest tile that takes at most about a second, and a band of a few seconds."""
        return self._torch.plan(key) if key in self._left else self.sizing.plan(key)

    def batch_limit(self, key: ModelKey, height: int, width: int) -> int:
        """Return how many such tiles one run may hold, in time and in memory."""
        return (self._torch if key in self._left else self).sizing.batch_limit(key, height, width)

    def warm_up(self, key: ModelKey) -> None:
        """Decide what runs a generator, and learn the speed with it."""
        if self._network(key) is None:
            self._torch.warm_up(key)
        else:
            self.sizing.warm_up(key, lambda tiles: self.run(key, tiles))

    def run(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enlarge a batch; tiles whose result is not finite are run again on torch.

        Args:
            key: the generator.
            tiles: (N, 3, H, W), float32, 0…1, with `key.halo` pixels of context.

        Returns:
            (N, 3, 2H, 2W), float32, finite.
        """
        network = self._network(key)
        if network is None:
            return self._torch.run(key, tiles)
        begun = time.perf_counter()
        try:
            result = network(tiles)
        except (MemoryError, WinogradFault) as fault:
            self._leave(key, repr(fault))
            return self._torch.run(key, tiles)
        self.sizing.learn(key, tiles.shape, time.perf_counter() - begun)
        spoilt = ~finite_tiles(result)
        if spoilt.any():
            log.warning("tile not finite, run again on torch", extra={"model": key.name, "device": self.name})
            result[spoilt] = self._torch.run(key, np.ascontiguousarray(tiles[spoilt]))
        return result

    def free(self) -> None:
        """Return the memory to the system; generators are made ready again when they are asked for."""
        self._networks.clear()
        self._torch.free()

    def describe(self) -> dict[str, Any]:
        """Return what `/v1/status` shows of the CPU: what each engine has, and why some generators are on torch."""
        described, own = self._torch.describe(), self.sizing.describe(NAME)
        networks, left = list(self._networks), dict(self._left)
        described["loaded"] = [
            *described["loaded"], *({**key.chosen, "dtype": "float32"} for key in networks),
        ]  # fmt: skip
        for name in own:
            described[name] = {**described[name], **own[name]}
        described["engine"] = {
            "running": {key.label: NAME for key in networks},
            "on_torch": {key.label: reason for key, reason in left.items()},
            "seconds": {} if self._choice is None else self._choice.seconds,
        }
        return described

    def _network(self, key: ModelKey) -> WinogradNetwork | None:
        """Return a generator in the kernel's form; None where torch runs it."""
        if key in self._networks:
            self._networks.move_to_end(key)
            return self._networks[key]
        if key in self._left:
            return None
        network = self._decide(key)
        if network is not None:
            self._networks[key] = network
            while len(self._networks) > KEPT:
                self._networks.popitem(last=False)
        return network

    def _decide(self, key: ModelKey) -> WinogradNetwork | None:
        if key.is_periodic:
            self._leave(key, "its convolutions go round, which the kernel's do not")
            return None
        generator = self._store.generator(key)
        tiles = self_test_tiles()
        try:
            network = WinogradNetwork(generator, torch.get_num_threads(), self._folder)
            difference = largest_difference(run_generator(generator, CPU, torch.float32, tiles), network(tiles))
            is_fastest = self._choice is None or self._choice.fastest() == NAME
        except (MemoryError, WinogradFault) as fault:
            self._leave(key, str(fault))
            return None
        if difference > LIMIT:
            self._leave(key, f"winograd differs from torch by {difference * 255:.3f} of 255")
            return None
        if not is_fastest:
            self._leave(key, "torch was measured to be the faster engine")
            return None
        log.info("engine ready", extra={"engine": NAME, "model": key.name, "detail": key.detail})
        return network

    def _leave(self, key: ModelKey, reason: str) -> None:
        """Have torch run a generator from now on."""
        log.info("left to torch", extra={"engine": NAME, "model": key.name, "reason": reason})
        self._networks.pop(key, None)
        self._left[key] = reason


def measure_engines() -> dict[str, float]:
    """Measure both engines on a generator like the shipped one; returns the seconds of two tiles of 64×64."""
    generator = build_generator("compact", SAMPLE).eval()
    placed, network = place(generator, CPU, torch.float32), WinogradNetwork(generator, torch.get_num_threads())
    tiles = self_test_tiles()
    return {
        "torch": median_seconds(lambda: run_generator(placed, CPU, torch.float32, tiles), PATIENCE),
        NAME: median_seconds(lambda: network(tiles), PATIENCE),
    }
