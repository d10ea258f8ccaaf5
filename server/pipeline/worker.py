"""A thread that fills batches from the queue and runs them on one engine. No torch, no HTTP.

Requests take turns: a batch is filled with one tile of each in rotation, then the next of each. An engine never waits
when only one request is under way; otherwise at most `max_wait` for a batch to fill. A worker that fails puts its tiles
back for another one; tiles that fail twice fail their request.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time

import numpy as np
from numpy.typing import NDArray

from server.errors import EngineLost, ServerError
from server.pipeline.engine import Engine
from server.pipeline.job import QueuedTile, QueueState

WORST_STREAK = 3  # failures in a row after which an engine is given up, where another one is left

log = logging.getLogger(__name__)


class Worker(threading.Thread):
    """Runs batches until its engine is removed from the queue, or the queue stops."""

    def __init__(self, queue: QueueState, engine: Engine) -> None:
        super().__init__(name=f"worker {engine.name}", daemon=True)
        self.engine = engine
        self._queue = queue
        self._failures = 0  # in a row

    def run(self) -> None:
        """Take batch after batch."""
        while (batch := self._take()) is not None:
            begun = time.monotonic()
            try:
                key = batch[0].key
                self.engine.warm_up(key)
                results = self.engine.run(key, np.stack([tile.pixels for tile in batch]))
            except EngineLost as loss:
                self._queue.remove(self.engine)
                self._put_back(batch, loss)
            except ServerError as fault:  # of the model or the picture: the engine did what it was asked for
                self._put_back(batch, fault)
            except Exception as fault:  # noqa: BLE001 (a worker must outlive whatever its device does)
                self._put_back(batch, fault)
                self._count_failure()
            else:
                self._failures = 0
                self._deliver(batch, results, begun)

    def _take(self) -> list[QueuedTile] | None:
        """Wait for work; None when the worker is to end."""
        idle_since: float | None = time.monotonic()
        while True:
            batch = self._wait(idle_since)
            if batch != []:
                return batch
            self.engine.free()  # without the lock, which everyone needs who only asks how the queue stands
            idle_since = None

    def _wait(self, idle_since: float | None) -> list[QueuedTile] | None:
        """Wait for work; empty when there was none for long enough, None when the worker is to end."""
        queue = self._queue
        with queue.changed:
            while not queue.stopping and self.engine in queue.engines:
                batch, wanted = self._choose()
                if batch:
                    age = time.monotonic() - batch[0].since
                    if len(batch) >= wanted or len(queue.jobs) <= 1 or age >= queue.max_wait:
                        for tile in batch:
                            tile.job.waiting.remove(tile)
                        queue.running += len(batch)
                        queue.jobs.rotate(-1 - queue.jobs.index(batch[-1].job))  # the next batch begins with another
                        return batch
                    queue.changed.wait(queue.max_wait - age)
                    continue
                if idle_since is not None and time.monotonic() - idle_since >= queue.keep_alive:
                    return []
                queue.changed.wait(None if idle_since is None else min(queue.keep_alive, 5.0))
        return None

    def _choose(self) -> tuple[list[QueuedTile], int]:
        """Choose the tiles of the next batch, one of each request in turn, and count how many it could hold."""
        queue = self._queue
        alone = len(queue.engines) <= 1
        columns = [
            [tile for tile in job.waiting if alone or id(self.engine) not in tile.failed_on] for job in queue.jobs
        ]
        columns = [column for column in columns if column]
        if not columns:
            return [], 0
        first = columns[0][0]
        columns = [[tile for tile in column if tile.group == first.group] for column in columns]
        _, height, width = first.pixels.shape
        by_turns = [tile for row in itertools.zip_longest(*columns) for tile in row if tile is not None]
        wanted = min(queue.max_batch, self.engine.batch_limit(first.key, height, width))
        slots = len(queue.slots)
        if slots > 1:  # none idles while another has more
            wanted = min(wanted, -(-(len(by_turns) + queue.running) // slots))
        return by_turns[:wanted], wanted

    def _deliver(self, batch: list[QueuedTile], results: NDArray[np.float32], begun: float) -> None:
        queue = self._queue
        with queue.changed:
            for tile, result in zip(batch, results, strict=True):
                tile.result = result
            queue.running -= len(batch)
            queue.last_used = time.monotonic()
            queue.changed.notify_all()
        if queue.observer is not None:
            waited = [begun - tile.since for tile in batch]
            queue.observer.batch_ran(len(batch), time.monotonic() - begun, waited)

    def _put_back(self, batch: list[QueuedTile], fault: Exception) -> None:
        log.warning(
            "batch failed",
            extra={"device": self.engine.name, "fault": repr(fault)},
            exc_info=not isinstance(fault, (ServerError, EngineLost)),
        )
        queue = self._queue
        with queue.changed:
            queue.running -= len(batch)
            for tile in reversed(batch):
                tile.note_failure(fault, self.engine)
                if tile.failure is None and tile.job in queue.jobs:
                    tile.job.waiting.appendleft(tile)
            queue.changed.notify_all()

    def _count_failure(self) -> None:
        """Drop the engine when it keeps failing and another one is left."""
        self._failures += 1
        with self._queue.changed:
            if self._failures < WORST_STREAK or len(self._queue.engines) <= 1:
                return
            self._queue.remove(self.engine)
        log.error("device given up", extra={"device": self.engine.name})
