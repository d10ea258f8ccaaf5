"""An engine beside torch: it runs the generators whose pixels it gives as torch does, and hands all else over.

A generator is decided upon once, before its first tile, and again after the memory was freed. What fails later is
handed over as well.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from server.device.self_test import LIMIT, largest_difference, self_test_tiles
from server.device.tile_sizing import TileSizing
from server.device.torch_engine import finite_tiles, run_generator
from server.errors import CannotRun
from server.pipeline.engine import Engine, Plan
from server.pipeline.model_key import ModelKey
from server.pipeline.model_store import ModelStore
from weights import Generator

KEPT = 4  # generators
CPU = torch.device("cpu")

Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]

log = logging.getLogger(__name__)


class CheckedEngine:
    """Networks of another kind where they give torch's pixels, and another engine for the rest.

    Attributes:
        engine: What `/v1/status` calls this kind.
        left: Under which name `/v1/status` says why a generator was handed over.

    Args:
        name: the device's.
        store: where generators come from.
        other: runs what this one cannot.
        sizing: for what runs here.
    """

    engine: ClassVar[str]
    left: ClassVar[str]

    def __init__(self, name: str, store: ModelStore, other: Engine, sizing: TileSizing) -> None:
        self.name, self.sizing = name, sizing
        self._store, self._other = store, other
        self._networks: OrderedDict[ModelKey, Network] = OrderedDict()
        self._left: dict[ModelKey, str] = {}  # to the other engine, and why

    def _build(self, generator: Generator) -> Network:
        """Return a generator ready to run here; raises CannotRun or MemoryError."""
        raise NotImplementedError

    def _objection(self) -> str:
        """Return why a generator that could run here should not; empty where it should."""
        return ""

    def _run(self, key: ModelKey, network: Network, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run a network; raises CannotRun or MemoryError."""
        begun = time.perf_counter()
        result = network(tiles)
        self.sizing.learn(key, tiles.shape, time.perf_counter() - begun)
        return result

    def plan(self, key: ModelKey) -> Plan:
        """Return the largest tile that takes at most about a second, and a band of a few seconds."""
        return self._other.plan(key) if key in self._left else self.sizing.plan(key)

    def batch_limit(self, key: ModelKey, height: int, width: int) -> int:
        """Return how many such tiles one run may hold, in time and in memory."""
        if key in self._left:
            return self._other.batch_limit(key, height, width)
        return self.sizing.batch_limit(key, height, width)

    def warm_up(self, key: ModelKey) -> None:
        """Decide what runs a generator, and learn the speed with it."""
        if self._network(key) is not None:
            self.sizing.warm_up(key, lambda tiles: self.run(key, tiles))
        if key in self._left:
            self._other.warm_up(key)

    def run(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enlarge a batch; tiles whose result is not finite are run again on the other engine.

        Args:
            key: the generator.
            tiles: (N, 3, H, W), float32, 0…1, with `key.halo` pixels of context.

        Returns:
            (N, 3, scale·H, scale·W), float32, finite.
        """
        network = self._network(key)
        if network is None:
            return self._other.run(key, tiles)
        try:
            result = self._run(key, network, tiles)
        except (MemoryError, CannotRun) as fault:
            log.warning("engine failed", extra={"device": self.name, "engine": self.engine, "fault": str(fault)})
            self._leave(key, str(fault))
            return self._other.run(key, tiles)
        spoilt = ~finite_tiles(result)
        if spoilt.any():
            log.warning("tile not finite, run again", extra={"model": key.name, "device": self._other.name})
            result[spoilt] = self._other.run(key, np.ascontiguousarray(tiles[spoilt]))
        return result

    def free(self) -> None:
        """Return the memory to the system; generators are decided upon anew when they are asked for."""
        self._networks.clear()
        self._left.clear()
        self._other.free()

    def describe(self) -> dict[str, Any]:
        """Return what `/v1/status` shows: what both engines have, and why some generators are not run here."""
        described, own = self._other.describe(), self.sizing.describe(self.engine)
        networks, left = list(self._networks), dict(self._left)
        described["device"] = self.name
        described["loaded"] = [
            *described["loaded"], *({**key.chosen, "dtype": "float32"} for key in networks),
        ]  # fmt: skip
        for name in own:
            described[name] = {**described[name], **own[name]}
        below = described.get("engine", {})
        described["engine"] = {
            **below,
            "running": {**below.get("running", {}), **{key.label: self.engine for key in networks}},
            self.left: {key.label: reason for key, reason in left.items()},
        }
        return described

    def _network(self, key: ModelKey) -> Network | None:
        """Return a generator in this engine's form; None where the other engine runs it."""
        if key in self._networks:
            self._networks.move_to_end(key)
            return self._networks[key]
        if key in self._left:
            return None
        try:
            self._networks[key] = self._decide(key)
        except (MemoryError, CannotRun) as fault:
            self._leave(key, str(fault))
            return None
        log.info("engine ready", extra={"engine": self.engine, "model": key.name, "detail": key.detail})
        while len(self._networks) > KEPT:
            self._networks.popitem(last=False)
        return self._networks[key]

    def _decide(self, key: ModelKey) -> Network:
        if key.is_periodic:
            raise CannotRun("its convolutions go round, which this engine's do not")
        generator, tiles = self._store.generator(key), self_test_tiles()
        network = self._build(generator)
        difference = largest_difference(run_generator(generator, CPU, torch.float32, tiles), network(tiles))
        objection = self._objection()
        if difference > LIMIT:
            raise CannotRun(f"{self.engine} differs from torch by {difference * 255:.3f} of 255")
        if objection:
            raise CannotRun(objection)
        return network

    def _leave(self, key: ModelKey, reason: str) -> None:
        """Have the other engine run a generator from now on."""
        log.info("left to the other engine", extra={"engine": self.engine, "model": key.name, "reason": reason})
        self._networks.pop(key, None)
        self._left[key] = reason
