"""The queue: which requests have a place, and which engines take part. No torch, no HTTP.

The bound counts requests. Engines may be added and removed at any time; the tiles of one that is lost are run by the
others, or wait for the next one. `worker.py` fills the batches.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from server.errors import Busy, ServerError, Stopping
from server.pipeline.engine import Engine
from server.pipeline.job import Job, Observer, QueueState
from server.pipeline.worker import Worker


class TileQueue(QueueState):
    """The queue.

    Args:
        max_batch: tiles in one run.
        max_wait: seconds that a batch may wait to fill while several requests are under way.
        bound: requests under way at once.
        keep_alive: seconds without work after which an engine's memory is given back.
        observer: counts the batches.
    """

    def __init__(
        self, *, max_batch: int = 16, max_wait: float = 0.005, bound: int = 64, keep_alive: float = 300.0,
        observer: Observer | None = None,
    ) -> None:  # fmt: skip
        super().__init__(max_batch, max_wait, keep_alive, observer)
        self.bound = bound
        self._workers: list[Worker] = []

    def start(self, engines: list[Engine]) -> None:
        """Add all of these engines at once; jobs may have been opened before."""
        with self.changed:
            for engine in engines:
                self.add(engine)

    def add(self, engine: Engine, workers: int = 1) -> None:
        """Let an engine take part from now on.

        Args:
            engine: not yet among `engines`.
            workers: batches that it is handed at once; two where the way to it is long, so that one is on the way
                while the other runs.
        """
        with self.changed:
            self.failed_start = None
            self.engines.append(engine)
            self.slots += [engine] * workers
            self._workers = [worker for worker in self._workers if worker.is_alive()]
            for _ in range(workers):
                worker = Worker(self, engine)
                self._workers.append(worker)
                worker.start()
            self.changed.notify_all()

    def fail_start(self, failure: ServerError) -> None:
        """Have everyone who waits for an engine fail, because there will be none."""
        with self.changed:
            self.failed_start = failure
            self.changed.notify_all()

    def stop(self, patience: float = 5.0) -> None:
        """Take nothing more, end what waits, and wait for the tiles in flight."""
        with self.changed:
            self.stopping = True
            self.changed.notify_all()
        until = time.monotonic() + patience
        for worker in self._workers:
            worker.join(max(0.0, until - time.monotonic()))

    @property
    def under_way(self) -> int:
        """The number of requests that hold a place."""
        return len(self.jobs)

    @property
    def is_full(self) -> bool:
        """Whether a new request would be refused now."""
        return len(self.jobs) >= self.bound

    def describe(self) -> dict[str, int]:
        """Return requests under way, tiles waiting and running, and the bound."""
        with self.changed:
            waiting = sum(len(job.waiting) for job in self.jobs)
            return {"requests": len(self.jobs), "waiting": waiting, "running": self.running, "bound": self.bound}

    def open(self, is_gone: Callable[[], bool] = lambda: False) -> Job:
        """Take a place in the queue.

        Args:
            is_gone: returns whether the client has left.

        Returns:
            The job, to be closed by the caller.

        Raises:
            Busy: the bound is reached.
            Stopping: the server is ending.
        """
        job = Job(self, is_gone)
        with self.changed:
            if self.stopping:
                raise Stopping("The server is ending and takes no new pictures; start it again.")
            if self.is_full:
                raise Busy(f"{len(self.jobs)} pictures are under way, the limit is {self.bound}; try again soon.")
            self.jobs.append(job)
        return job
