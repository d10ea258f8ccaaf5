"""How fast a device runs each generator and how much fits it, learned as it runs; tiles, bands and batches from that.

Must not know: torch, generators, threads.
"""

from __future__ import annotations

from server.device.engine_forward import TORCH
from server.pipeline.engine import SMALLEST_TILE, Plan
from server.pipeline.model_store import ModelKey

SECONDS_PER_TILE = 0.9
SECONDS_PER_BAND = 2.5
TILE_SIDES = (64, 128, 192, 256, 384, 512)
# The host holds a band of the result, in float32, while the next one runs. Eager torch takes large blocks beside it;
# lower bands cost time, because each is computed with context above and below. With 3 << 19 a hundred megapixels took
# up to 418 MB on a busy machine.
MOST_BAND_PIXELS = 1 << 21
MOST_BAND_PIXELS_ON_TORCH = 5 << 18
CPU_BATCH_PIXELS = 1 << 18  # of one run, context included: small tiles gain by company, large ones only take memory
SUPPOSED_SPEED = 1e5  # before the first run
FOLLOWING = 0.3  # share of what is known that a new measurement replaces


class TileSizing:
    """What is known of one device's speed and memory.

    Args:
        is_cpu: whether runs are on the CPU.
        max_batch: tiles that a run may hold at most.
    """

    def __init__(self, *, is_cpu: bool, max_batch: int) -> None:
        self.speed: dict[ModelKey, float] = {}  # pixels per second, context included
        self._most_pixels: dict[ModelKey, int] = {}  # of one run, learned when memory ran out
        self._is_cpu = is_cpu
        self._max_batch = max_batch

    def learn(self, key: ModelKey, shape: tuple[int, ...], seconds: float) -> None:
        """Take note of a run; one of a tile no larger than the smallest says little and is left out.

        Args:
            key: the generator.
            shape: of the tiles, (N, 3, H, W).
            seconds: that the run took.
        """
        count, _, height, width = shape
        if height * width > SMALLEST_TILE**2 and key in self.speed:
            speed = count * height * width / max(seconds, 1e-6)
            self.speed[key] += FOLLOWING * (speed - self.speed[key])

    def ran_out(self, key: ModelKey, shape: tuple[int, ...]) -> None:
        """Take note that tiles of this shape, (N, 3, H, W), did not fit."""
        count, _, height, width = shape
        self._most_pixels[key] = max(1, count * height * width // 2)

    def plan(self, key: ModelKey) -> Plan:
        """Give the largest tile that takes at most about a second, and a band of a few seconds."""
        most = self._most(key)
        sides = [side for side in TILE_SIDES if (side + 2 * key.halo) ** 2 <= most]
        tile = max(sides, default=SMALLEST_TILE)
        useful = self.speed.get(key, SUPPOSED_SPEED) * (tile / (tile + 2 * key.halo)) ** 2
        largest = MOST_BAND_PIXELS_ON_TORCH if key.engine == TORCH else MOST_BAND_PIXELS
        return Plan(tile, int(min(largest, useful * SECONDS_PER_BAND)))

    def batch_limit(self, key: ModelKey, height: int, width: int) -> int:
        """Give how many such tiles one run may hold, in time and in memory."""
        most = self._most(key)
        if self._is_cpu:
            most = min(most, CPU_BATCH_PIXELS)
        return max(1, min(self._max_batch, int(most / (height * width))))

    def _most(self, key: ModelKey) -> float:
        """Give the pixels, context included, of a run that neither lasts too long nor needs too much memory."""
        in_time = self.speed.get(key, SUPPOSED_SPEED) * SECONDS_PER_TILE
        return min(in_time, self._most_pixels.get(key, 1 << 62))
