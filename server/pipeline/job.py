"""One request's access to the engines, and its tiles on their way. No torch, no HTTP."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from server.errors import DeviceFault, EngineLost, ServerError
from server.pipeline.engine import Engine, Plan
from server.pipeline.model_store import ModelKey

if TYPE_CHECKING:
    from server.pipeline.queue import TileQueue

MOST_LOSSES = 3  # engines that may be lost with a tile before the tile is held to be the cause
MOST_BAND_PIXELS = 1 << 21  # of a band for several engines: the host holds two bands of each request


@dataclass(eq=False)
class QueuedTile:
    """One tile: its pixels (3, H, W) and, once it ran, its result (3, 2H, 2W) or its failure."""

    pixels: NDArray[np.float32]
    job: Job
    key: ModelKey
    since: float = field(default_factory=time.monotonic)
    result: NDArray[np.float32] | None = None
    failure: ServerError | None = None
    failed_on: set[int] = field(default_factory=set)  # engines, by their ids
    losses: int = 0

    @property
    def group(self) -> tuple[ModelKey, tuple[int, ...]]:
        """What tiles must share to run in one batch."""
        return self.key, self.pixels.shape

    def note_failure(self, fault: Exception, engine: Engine) -> None:
        """Set `failure`, unless the tile is worth another try: lost with its engine, or failed for the first time."""
        if isinstance(fault, ServerError):
            self.failure = fault
        elif isinstance(fault, EngineLost):
            self.losses += 1
            if self.losses >= MOST_LOSSES:
                sentence = f"{self.losses} workers were lost with one piece of the picture ({fault}); see the log."
                self.failure = DeviceFault(sentence)
        else:
            if self.failed_on:
                self.failure = DeviceFault(f"The device {engine.name} failed twice ({fault}); see the log.")
            self.failed_on.add(id(engine))


class Job:
    """One request's place in the queue; use as a context manager, which takes waiting tiles out of the queue."""

    def __init__(self, queue: TileQueue, is_gone: Callable[[], bool]) -> None:
        self.waiting: deque[QueuedTile] = deque()
        self._queue = queue
        self._is_gone = is_gone

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def plan(self, key: ModelKey) -> Plan:
        """Return the smallest tile that any engine wants, and a band that keeps all busy; waits for the first engine.

        Raises what `collect` raises.
        """
        with self._queue.changed:
            while not self._queue.engines:
                self._queue.wait(self._is_gone)
            plans = [engine.plan(key) for engine in self._queue.engines]
        bands = [plan.band_pixels for plan in plans]
        return Plan(min(plan.tile for plan in plans), max(min(bands), min(sum(bands), MOST_BAND_PIXELS)))

    def submit(self, key: ModelKey, tiles: list[NDArray[np.float32]]) -> list[QueuedTile]:
        """Queue tiles, each (3, H, W) float32 with its context; they run in this order, beside other requests'."""
        queued = [QueuedTile(tile, self, key) for tile in tiles]
        with self._queue.changed:
            self.waiting.extend(queued)
            self._queue.changed.notify_all()
        return queued

    def collect(self, tiles: list[QueuedTile]) -> list[NDArray[np.float32]]:
        """Wait for tiles; raises their failure, `ClientGone` when nobody waits for them, `Stopping` at the end."""
        results = []
        with self._queue.changed:
            for tile in tiles:
                while tile.result is None:
                    if tile.failure is not None:
                        raise tile.failure
                    self._queue.wait(self._is_gone)
                results.append(tile.result)
        return results

    def close(self) -> None:
        """Leave the queue: tiles not yet on a device are forgotten. Closing twice is allowed."""
        with self._queue.changed:
            self.waiting.clear()
            self._queue.forget(self)
