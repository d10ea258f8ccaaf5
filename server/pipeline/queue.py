"""Tiles of all requests, run as batches: worker threads for each engine, one queue for all. No torch, no HTTP.

Requests take turns: a batch is filled with one tile of each in rotation, then the next of each. A device never waits
when only one request is under way; otherwise at most `max_wait` for a batch to fill. A worker that fails puts its
tiles back for another one; tiles that fail twice fail their request. The bound counts requests. Engines may join and
part at any time; one that is lost parts, and its tiles are run by the others, or wait for the next to join.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from server.errors import Busy, ClientGone, EngineLost, ServerError, Stopping
from server.pipeline.engine import Engine, Plan
from server.pipeline.job import Job, QueuedTile
from server.pipeline.model_store import ModelKey

WORST_STREAK = 3  # failures in a row after which a worker is given up, where another one is left
MOST_BAND_PIXELS = 1 << 21  # of a band for several engines: the host holds two bands of each request
POLL = 0.05  # seconds between looks at whether the client is still there

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Whoever counts: see `metrics.py`."""

    def batch_ran(self, tiles: int, seconds: float, waited: list[float]) -> None:
        """Hear of a batch: number of tiles, seconds on the device, seconds that each tile waited."""


class TileQueue:
    """The queue and its workers."""

    def __init__(
        self, *, max_batch: int = 16, max_wait: float = 0.005, bound: int = 64, keep_alive: float = 300.0,
        observer: Observer | None = None,
    ) -> None:  # fmt: skip
        self.max_batch, self.max_wait, self.bound, self.keep_alive = max_batch, max_wait, bound, keep_alive
        self.last_used = time.monotonic()
        self.engines: list[Engine] = []
        self._observer = observer
        self._jobs: deque[Job] = deque()  # in rotation
        self._running = 0
        self._workers: dict[int, int] = {}  # of each engine, by its id
        self._changed = threading.Condition()
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._failed_start: ServerError | None = None

    def start(self, engines: list[Engine]) -> None:
        """Give each engine its worker; jobs may have been opened before."""
        with self._changed:
            for engine in engines:
                self.join(engine)

    def join(self, engine: Engine, workers: int = 1) -> None:
        """Let an engine take part from now on.

        Args:
            engine: not yet among `engines`.
            workers: batches that it is handed at once; two where the way to it is long, so that one is on the way
                while the other runs.
        """
        with self._changed:
            self._failed_start = None
            self.engines.append(engine)
            self._workers[id(engine)] = workers
            for _ in range(workers):
                thread = threading.Thread(target=self._work, args=(engine,), name=f"worker {engine.name}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify_all()

    def part(self, engine: Engine) -> None:
        """Hand an engine nothing more; what it has is waited for. Parting twice is allowed."""
        with self._changed:
            if engine in self.engines:
                self.engines.remove(engine)
                del self._workers[id(engine)]
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._changed.notify_all()

    def fail_start(self, failure: ServerError) -> None:
        """Tell everyone who waits for an engine that there will be none."""
        with self._changed:
            self._failed_start = failure
            self._changed.notify_all()

    def stop(self, patience: float = 5.0) -> None:
        """Take nothing more, end what waits, and wait for the tiles in flight."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        until = time.monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    @property
    def under_way(self) -> int:
        """Give the number of requests that hold a place."""
        return len(self._jobs)

    @property
    def is_full(self) -> bool:
        """Say whether a new request would be refused now."""
        return len(self._jobs) >= self.bound

    def describe(self) -> dict[str, int]:
        """Tell requests under way, tiles waiting and running, and the bound."""
        with self._changed:
            waiting = sum(len(job.waiting) for job in self._jobs)
            return {"requests": len(self._jobs), "waiting": waiting, "running": self._running, "bound": self.bound}

    def open(self, key: ModelKey, is_gone: Callable[[], bool] = lambda: False) -> Job:
        """Take a place in the queue.

        Args:
            key: the generator of all of the job's tiles.
            is_gone: says whether the client has left.

        Returns:
            The job, to be closed by the caller.

        Raises:
            Busy: the bound is reached.
            Stopping: the server is ending.
        """
        job = Job(self, key, is_gone)
        with self._changed:
            if self._stopping:
                raise Stopping("The server is ending and takes no new pictures; start it again.")
            if len(self._jobs) >= self.bound:
                raise Busy(f"{len(self._jobs)} pictures are under way, the limit is {self.bound}; try again soon.")
            self._jobs.append(job)
        return job

    def plan(self, job: Job) -> Plan:
        """Give the smallest tile that any engine wants, and a band that keeps all busy; waits until there is one."""
        with self._changed:
            while not self.engines:
                self._wait_for(job.is_gone)
            plans = [engine.plan(job.key) for engine in self.engines]
        bands = [plan.band_pixels for plan in plans]
        return Plan(min(plan.tile for plan in plans), max(min(bands), min(sum(bands), MOST_BAND_PIXELS)))

    def submit(self, job: Job, tiles: list[NDArray[np.float32]]) -> list[QueuedTile]:
        """Queue a job's tiles."""
        works = [QueuedTile(tile, job) for tile in tiles]
        with self._changed:
            job.waiting.extend(works)
            self._changed.notify_all()
        return works

    def collect(self, job: Job, works: list[QueuedTile]) -> list[NDArray[np.float32]]:
        """Wait until all of these tiles have run."""
        results = []
        with self._changed:
            for work in works:
                while work.result is None:
                    if work.failure is not None:
                        raise work.failure
                    self._wait_for(job.is_gone)
                results.append(work.result)
        return results

    def leave(self, job: Job) -> None:
        """Close a job; closing twice is allowed."""
        with self._changed:
            job.waiting.clear()
            if job in self._jobs:
                self._jobs.remove(job)
            self.last_used = time.monotonic()
            self._changed.notify_all()

    def _wait_for(self, is_gone: Callable[[], bool]) -> None:
        if self._stopping:
            raise Stopping("The server is ending and cuts this picture short; start it again.")
        if is_gone():
            raise ClientGone
        if not self.engines and self._failed_start is not None:
            raise self._failed_start
        self._changed.wait(POLL)

    def _work(self, engine: Engine) -> None:
        streak = 0
        while True:
            batch = self._take(engine)
            if batch is None:
                return
            begun = time.monotonic()
            try:
                key = batch[0].job.key
                engine.warm_up(key)
                results = engine.run(key, np.stack([work.pixels for work in batch]))
            except EngineLost as loss:
                self.part(engine)
                self._put_back(batch, loss, engine)
                return
            except ServerError as fault:  # of the model or the picture: the device did what it was asked for
                self._put_back(batch, fault, engine)
                continue
            except Exception as fault:  # noqa: BLE001 (a worker must outlive whatever its device does)
                streak += 1
                self._put_back(batch, fault, engine)
                if self._give_up(engine, streak):
                    return
                continue
            streak = 0
            self._deliver(batch, results, begun)

    def _take(self, engine: Engine) -> list[QueuedTile] | None:
        """Wait for work; None when the worker is to end."""
        idle_since: float | None = time.monotonic()
        while True:
            batch = self._wait_for_batch(engine, idle_since)
            if batch != []:
                return batch
            engine.free()  # without the lock, which everyone needs who only asks how the queue stands
            idle_since = None

    def _wait_for_batch(self, engine: Engine, idle_since: float | None) -> list[QueuedTile] | None:
        """Wait for work; empty when there was none for long enough, None when the worker is to end."""
        with self._changed:
            while not self._stopping and engine in self.engines:
                batch, wanted = self._choose(engine)
                if batch:
                    age = time.monotonic() - batch[0].since
                    if len(batch) >= wanted or len(self._jobs) <= 1 or age >= self.max_wait:
                        for work in batch:
                            work.job.waiting.remove(work)
                        self._running += len(batch)
                        self._jobs.rotate(-1 - self._jobs.index(batch[-1].job))  # the next batch begins with another
                        return batch
                    self._changed.wait(self.max_wait - age)
                    continue
                if idle_since is not None and time.monotonic() - idle_since >= self.keep_alive:
                    return []
                self._changed.wait(None if idle_since is None else min(self.keep_alive, 5.0))
        return None

    def _choose(self, engine: Engine) -> tuple[list[QueuedTile], int]:
        """Choose the tiles of the next batch, one of each request in turn, and say how many it could hold."""
        alone = len(self.engines) <= 1
        columns = [[work for work in job.waiting if alone or id(engine) not in work.failed_on] for job in self._jobs]
        columns = [column for column in columns if column]
        if not columns:
            return [], 0
        first = columns[0][0]
        columns = [[work for work in column if work.group == first.group] for column in columns]
        _, height, width = first.pixels.shape
        by_turns = [work for row in itertools.zip_longest(*columns) for work in row if work is not None]
        wanted = min(self.max_batch, engine.batch_limit(first.job.key, height, width))
        workers = sum(self._workers.values())
        if workers > 1:  # none idles while another has more
            wanted = min(wanted, -(-(len(by_turns) + self._running) // workers))
        return by_turns[:wanted], wanted

    def _deliver(self, batch: list[QueuedTile], results: NDArray[np.float32], begun: float) -> None:
        with self._changed:
            for work, result in zip(batch, results, strict=True):
                work.result = result
            self._running -= len(batch)
            self.last_used = time.monotonic()
            self._changed.notify_all()
        if self._observer is not None:
            waited = [begun - work.since for work in batch]
            self._observer.batch_ran(len(batch), time.monotonic() - begun, waited)

    def _put_back(self, batch: list[QueuedTile], fault: Exception, engine: Engine) -> None:
        log.warning(
            "batch failed",
            extra={"device": engine.name, "fault": repr(fault)},
            exc_info=not isinstance(fault, (ServerError, EngineLost)),
        )
        with self._changed:
            self._running -= len(batch)
            for work in reversed(batch):
                work.note_failure(fault, engine)
                if work.failure is None and work.job in self._jobs:
                    work.job.waiting.appendleft(work)
            self._changed.notify_all()

    def _give_up(self, engine: Engine, streak: int) -> bool:
        with self._changed:
            if streak < WORST_STREAK or len(self.engines) <= 1:
                return False
            self.part(engine)
        log.error("device given up", extra={"device": engine.name})
        return True
