"""What the queue asks of an engine, the thing that runs batches of tiles. No torch, no HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from server.pipeline.model_key import ModelKey

SMALLEST_TILE = 64  # pixels


@dataclass(frozen=True)
class Plan:
    """How to cut a picture for an engine: tile side and pixels in a band, chosen by its speed."""

    tile: int
    band_pixels: int


class Engine(Protocol):
    """One device with its generators; used by one thread only, except for `name`, `plan` and `describe`."""

    name: str

    def plan(self, key: ModelKey) -> Plan:
        """Return the tile and band sizes for this generator, by what is known of the engine's speed."""

    def batch_limit(self, key: ModelKey, height: int, width: int) -> int:
        """Return the number of tiles of this size (context included) that one run may hold."""

    def warm_up(self, key: ModelKey) -> None:
        """Load a generator and learn the engine's speed with it; called before every run, and mostly nothing to do."""

    def run(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enlarge (N, 3, H, W), float32, 0…1, context of `key.halo` included, to (N, 3, scale·H, scale·W), finite."""

    def free(self) -> None:
        """Return the device's memory to the system; what is asked for again is loaded again."""

    def describe(self) -> dict[str, Any]:
        """Return device, what is loaded, speed and memory, for `/v1/status`."""
