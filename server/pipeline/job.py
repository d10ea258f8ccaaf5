"""A request's access to the engines, its tiles, and what requests and workers share. No torch, no HTTP."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from server.errors import ClientGone, DeviceFault, EngineLost, ServerError, Stopping
from server.pipeline.engine import Engine, Plan
from server.pipeline.model_key import ModelKey

POLL = 0.05  # seconds between looks at whether the client is still there
MOST_LOSSES = 3  # engines that may be lost with a tile before the tile is held to be the cause
MOST_BAND_PIXELS = 1 << 21  # of a band for several engines: the host holds two bands of each request


@dataclass(eq=False)
class QueuedTile:
    """One tile: its pixels (3, H, W) and, once it ran, its result (3, scale·H, scale·W) or its failure."""

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

    def __init__(self, queue: QueueState, is_gone: Callable[[], bool]) -> None:
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


class Observer(Protocol):
    """Whoever counts: see `metrics.py`."""

    def batch_ran(self, tiles: int, seconds: float, waited: list[float]) -> None:
        """Count a batch: number of tiles, seconds on the device, seconds that each tile waited."""


class QueueState:
    """What requests and workers share, each under `changed`.

    Args:
        max_batch: tiles in one run.
        max_wait: seconds that a batch may wait to fill while several requests are under way.
        keep_alive: seconds without work after which an engine's memory is given back.
        observer: counts the batches.

    Attributes:
        changed: the lock, notified whenever a tile, a job or an engine comes or goes.
        jobs: the requests that hold a place, in rotation.
        engines: those that take part.
        slots: an engine for each batch that is handed out at once.
        running: tiles on a device.
        stopping: whether the end has begun.
        failed_start: why there will be no engine; None while there may be one.
        last_used: when a tile ran or a job ended, `time.monotonic()`.
    """

    def __init__(self, max_batch: int, max_wait: float, keep_alive: float, observer: Observer | None) -> None:
        self.max_batch, self.max_wait, self.keep_alive = max_batch, max_wait, keep_alive
        self.observer = observer
        self.changed = threading.Condition()
        self.jobs: deque[Job] = deque()
        self.engines: list[Engine] = []
        self.slots: list[Engine] = []
        self.running = 0
        self.stopping = False
        self.failed_start: ServerError | None = None
        self.last_used = time.monotonic()

    def remove(self, engine: Engine) -> None:
        """Hand an engine nothing more; what it has is waited for. Removing it twice is allowed."""
        with self.changed:
            self.engines = [each for each in self.engines if each is not engine]
            self.slots = [each for each in self.slots if each is not engine]
            self.changed.notify_all()

    def forget(self, job: Job) -> None:
        """Free a job's place; the caller holds `changed`."""
        if job in self.jobs:
            self.jobs.remove(job)
        self.last_used = time.monotonic()
        self.changed.notify_all()

    def wait(self, is_gone: Callable[[], bool]) -> None:
        """Wait a moment for a change; the caller holds `changed`.

        Args:
            is_gone: returns whether the client has left.

        Raises:
            Stopping: the server is ending.
            ClientGone: the client has left.
            ServerError: there will be no engine.
        """
        if self.stopping:
            raise Stopping("The server is ending and cuts this picture short; start it again.")
        if is_gone():
            raise ClientGone
        if not self.engines and self.failed_start is not None:
            raise self.failed_start
        self.changed.wait(POLL)
