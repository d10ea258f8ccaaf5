"""Cuts the photos in this process, or in several on this machine. (On several machines: ray_pool.py.)"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from trainer.data.slicing.cutting import SlicingConfig, cut_photo
from trainer.errors import SlicingError

Task = tuple[Path, Path]  # a photo, and the folder for what `cut_photo` makes of it
MOST_ON_WINDOWS = 61  # processes that one can wait for
Pool = Callable[[Sequence[Task], SlicingConfig], Iterator[None]]  # carries out all tasks; yields after each


def local_pool(processes: int) -> Pool:
    """Cut on this machine.

    Args:
        processes: how many photos at once, each in a process of its own; 1 cuts in this one.

    Returns:
        A pool that raises SlicingError where a photo's folder cannot be written, or a process was killed.
    """

    def cut(tasks: Sequence[Task], config: SlicingConfig) -> Iterator[None]:
        if processes > 1 and len(tasks) > 1:
            yield from _in_processes(processes, tasks, config)
            return
        for path, part in tasks:
            cut_photo(path, part, config)
            yield

    return cut


def _in_processes(processes: int, tasks: Sequence[Task], config: SlicingConfig) -> Iterator[None]:
    # spawn: a forked copy of a process that runs torch or threads may hang
    if sys.platform == "win32":
        processes = min(processes, MOST_ON_WINDOWS)
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            for future in as_completed([pool.submit(cut_photo, path, part, config) for path, part in tasks]):
                future.result()
                yield
        except BrokenProcessPool as error:
            raise SlicingError(
                "a slicing process was killed, most likely for want of memory; "
                "run the same command with fewer processes: it goes on where it stopped"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
