"""One training at a time in a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from trainer.errors import CheckpointError

LOCK = "training.lock"
# a killed training's reading processes hold its lock until they notice, within five seconds
PATIENCE_SECONDS = 10.0


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keep other trainings out of a run folder; the system ends the lock with the process, however that ends.

    Args:
        run: The run folder; created.

    Yields:
        Nothing.

    Raises:
        CheckpointError: Another training is at work there.
    """
    run.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run / LOCK)
    try:
        lock.acquire(timeout=PATIENCE_SECONDS)
    except Timeout:
        raise CheckpointError(
            f"{run} is in use by another training, expected a run folder that none writes to; let that one end, stop "
            "it, or choose another run folder."
        ) from None
    except NotImplementedError:
        yield  # a file system without locks: as before there were any
        return
    try:
        yield
    finally:
        lock.release()
