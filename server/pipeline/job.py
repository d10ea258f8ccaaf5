"""What the queue works on: a request's job and its tiles. No torch, no HTTP."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from server.errors import DeviceFault, EngineLost, ServerError
from server.pipeline.engine import Engine, Plan
from server.pipeline.model_store import ModelKey

MOST_LOSSES = 3  # engines that may be lost with a tile before the tile is held to be the cause


class Queue(Protocol):
    """What a job needs of the queue."""

    def plan(self, job: Job) -> Plan:
        """Give the tile and band sizes."""

    def submit(self, job: Job, tiles: list[NDArray[np.float32]]) -> list[QueuedTile]:
        """Queue tiles."""

    def collect(self, job: Job, works: list[QueuedTile]) -> list[NDArray[np.float32]]:
        """Wait for tiles."""

    def leave(self, job: Job) -> None:
        """Forget what the job still has in the queue."""


@dataclass(eq=False)
class QueuedTile:
    """One tile: its pixels (3, H, W) and, once it ran, its result (3, 2H, 2W) or its failure."""

    pixels: NDArray[np.float32]
    job: Job
    since: float = field(default_factory=time.monotonic)
    result: NDArray[np.float32] | None = None
    failure: ServerError | None = None
    failed_on: set[int] = field(default_factory=set)
    losses: int = 0

    @property
    def group(self) -> tuple[ModelKey, tuple[int, ...]]:
        """Give what tiles must share to run in one batch."""
        return self.job.key, self.pixels.shape

    def note_failure(self, fault: Exception, engine: Engine) -> None:
        """Set `failure`, unless the tile is worth another try: lost with its engine, or failed for the first time."""
        if isinstance(fault, ServerError):
            self.failure = fault
        elif isinstance(fault, EngineLost):
            self.losses += 1
            if self.losses >= MOST_LOSSES:
                told = f"{self.losses} workers were lost with one piece of the picture ({fault}); see the log."
                self.failure = DeviceFault(told)
        else:
            if self.failed_on:
                self.failure = DeviceFault(f"The device {engine.name} failed twice ({fault}); see the log.")
            self.failed_on.add(id(engine))


class Job:
    """One request's access to the devices; use as a context manager, which takes waiting tiles out of the queue."""

    def __init__(self, queue: Queue, key: ModelKey, is_gone: Callable[[], bool]) -> None:
        self.key = key
        self.waiting: deque[QueuedTile] = deque()
        self._queue = queue
        self.is_gone = is_gone

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def plan(self) -> Plan:
        """Give the tile and band sizes that suit every device."""
        return self._queue.plan(self)

    def submit(self, tiles: list[NDArray[np.float32]]) -> list[QueuedTile]:
        """Queue tiles, each (3, H, W) float32 with its context; they run in this order, beside other requests'."""
        return self._queue.submit(self, tiles)

    def collect(self, works: list[QueuedTile]) -> list[NDArray[np.float32]]:
        """Wait for tiles; raises their failure, `ClientGone` when nobody waits for them, `Stopping` at the end."""
        return self._queue.collect(self, works)

    def close(self) -> None:
        """Leave: tiles not yet on a device are forgotten."""
        self._queue.leave(self)
