"""What the queue asks of an engine, the thing that runs batches of tiles on one device. No torch, no HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from server.pipeline.model_store import ModelKey

SMALLEST_TILE = 64  # pixels
PERIODIC = "periodic"  # a key's engine whose tiles are whole periods along the short side of a thin picture


@dataclass(frozen=True)
class Plan:
    """How to cut a picture for a device: tile side and pixels in a band, chosen by its speed."""

    tile: int
    band_pixels: int


class Engine(Protocol):
    """One device with its generators; used by one thread only, except for `name`, `plan` and `describe`."""

    name: str

    def plan(self, key: ModelKey) -> Plan:
        """Give the tile and band sizes for this generator, by what is known of the device's speed."""

    def prefer(self, key: ModelKey, pixels: int) -> ModelKey:
        """Name in the key what should run a new picture of so many pixels; the picture keeps it to its end."""

    def batch_limit(self, key: ModelKey, height: int, width: int) -> int:
        """Give the number of tiles of this size (context included) that one run may hold."""

    def run(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enlarge (N, 3, H, W), float32, 0…1, context of `key.halo` included, to (N, 3, 2H, 2W), finite."""

    def warm_up(self, key: ModelKey) -> None:
        """Load a generator and learn the device's speed with it."""

    def free(self) -> None:
        """Give the device's memory back; what is asked for again is loaded again."""

    def describe(self) -> dict[str, Any]:
        """Tell device, dtype, what is loaded and memory, for `/v1/status`."""
