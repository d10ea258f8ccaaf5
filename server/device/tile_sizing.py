"""How large tiles, bands and batches should be, learned from how fast a device runs and what fits into its memory.

Must not know: torch, generators, threads.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.pipeline.engine import SMALLEST_TILE, Plan
from server.pipeline.model_key import ModelKey

SECONDS_PER_TILE = 0.9
SECONDS_PER_BAND = 2.5
TILE_SIDES = (64, 128, 192, 256, 384, 512)
CPU_BATCH_PIXELS = 1 << 18  # of one run, context included: small tiles gain by company, large ones only take memory
SUPPOSED_SPEED = 1e5  # before the first run
FOLLOWING = 0.3  # share of what is known that a new measurement replaces


class TileSizing:
    """What is known of one engine's speed and memory.

    Args:
        is_cpu: whether runs are on the CPU.
        max_batch: tiles that a run may hold at most.
        most_band_pixels: of a band. The host holds a band of the result, in float32, while the next one runs; lower
            bands cost time, because each is computed with context above and below.
    """

    def __init__(self, *, is_cpu: bool, max_batch: int, most_band_pixels: int) -> None:
        self.speed: dict[ModelKey, float] = {}  # pixels per second, context included
        self._most_pixels: dict[ModelKey, int] = {}  # of one run, learned when memory ran out
        self._is_cpu = is_cpu
        self._max_batch = max_batch
        self._most_band_pixels = most_band_pixels

    def warm_up(self, key: ModelKey, run: Callable[[NDArray[np.float32]], object]) -> None:
        """Time one small tile twice, unless the speed is known: the first run pays for what is only paid once."""
        if key in self.speed:
            return
        side = SMALLEST_TILE + 2 * key.halo
        for _ in range(2):
            begun = time.perf_counter()
            run(np.full((1, 3, side, side), 0.5, np.float32))
            self.speed[key] = side * side / (time.perf_counter() - begun)

    def learn(self, key: ModelKey, shape: tuple[int, ...], seconds: float) -> None:
        """Learn from a run; one of a tile no larger than the smallest says little and is left out.

        Args:
            key: the generator.
            shape: of the tiles, (N, 3, H, W).
            seconds: that the run took.
        """
        count, _, height, width = shape
        if height * width > SMALLEST_TILE**2 and key in self.speed:
            speed = count * height * width / max(seconds, 1e-6)
            self.speed[key] += FOLLOWING * (speed - self.speed[key])

    def learn_limit(self, key: ModelKey, shape: tuple[int, ...]) -> None:
        """Learn that tiles of this shape, (N, 3, H, W), did not fit."""
        count, _, height, width = shape
        self._most_pixels[key] = max(1, count * height * width // 2)

    def plan(self, key: ModelKey) -> Plan:
        """Return the largest tile that takes at most about a second, and a band of a few seconds."""
        most = self._most(key)
        sides = [side for side in TILE_SIDES if (side + 2 * key.halo) ** 2 <= most]
        tile = max(sides, default=SMALLEST_TILE)
        useful = self.speed.get(key, SUPPOSED_SPEED) * (tile / (tile + 2 * key.halo)) ** 2
        return Plan(tile, int(min(self._most_band_pixels, useful * SECONDS_PER_BAND)))

    def batch_limit(self, key: ModelKey, height: int, width: int) -> int:
        """Return how many such tiles one run may hold, in time and in memory."""
        most = self._most(key)
        if self._is_cpu:
            most = min(most, CPU_BATCH_PIXELS)
        return max(1, min(self._max_batch, int(most / (height * width))))

    def describe(self, engine: str) -> dict[str, dict[str, Any]]:
        """Return what `/v1/status` shows of speeds and plans, under "NAME@DETAIL ENGINE"."""
        known = {f"{key.label} {engine}": key for key in list(self.speed)}
        return {
            "megapixels_per_second": {name: round(self.speed[key] / 1e6, 4) for name, key in known.items()},
            "plans": {name: dataclasses.asdict(self.plan(key)) for name, key in known.items()},
        }

    def _most(self, key: ModelKey) -> float:
        """Return the pixels, context included, of a run that neither lasts too long nor needs too much memory."""
        in_time = self.speed.get(key, SUPPOSED_SPEED) * SECONDS_PER_TILE
        return min(in_time, self._most_pixels.get(key, 1 << 62))
