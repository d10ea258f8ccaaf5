"""Several pictures under way at once: while the server computes one, the next is decoded, the one before encoded."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")
LOOK = 0.2  # seconds between looks at whether Ctrl-C was pressed
MEMORY = 4e9  # bytes, where the system does not tell


class Stopped(BaseException):
    """The run was interrupted; raised in the threads that are at work."""


def in_order(
    work: Callable[[Item], Result], items: Sequence[Item], count: int, stop: Callable[[], None]
) -> Generator[Future[Result], None, None]:
    """Do some work for each item, for several at once.

    Args:
        work: what is to be done, in threads of their own.
        items: for what.
        count: how many at once.
        stop: called when no more is wanted: makes what is under way end soon.

    Yields:
        The outcome for each item, in their order.
    """
    busy: set[int] = set()  # threads
    lock = threading.Lock()

    def watched(item: Item) -> Result:
        with lock:
            busy.add(threading.get_ident())
        try:
            return work(item)
        finally:
            with lock:
                busy.discard(threading.get_ident())

    with ThreadPoolExecutor(count) as pool:
        try:
            for future in [pool.submit(watched, item) for item in items]:
                while not wait([future], LOOK).done:  # without a limit, Windows would not see Ctrl-C
                    pass
                yield future
        except BaseException:
            stop()
            pool.shutdown(wait=False, cancel_futures=True)
            with lock:
                for thread in busy:  # what encodes has no other way to be told
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(Stopped))
            raise


class Room:
    """Memory that pictures under way share: one that is too large for what is left waits until it is alone."""

    def __init__(self, memory: int | None) -> None:
        self._most = (memory or MEMORY) / 2
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def of(self, amount: int) -> Iterator[None]:
        """Wait for so many bytes, and hold them for as long as the block runs."""
        with self._changed:
            while self._taken and self._taken + amount > self._most:
                self._changed.wait(LOOK)
            self._taken += amount
        try:
            yield
        finally:
            with self._changed:
                self._taken -= amount
                self._changed.notify_all()


class Progress:
    """One bar for all pictures, on a terminal alone; takes calls from several threads."""

    def __init__(self, pictures: int) -> None:
        self._lock = threading.Lock()
        self._shares: dict[str, float] = {}
        self._pictures = pictures
        form = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
        self._bar = tqdm(total=pictures, bar_format=form, disable=None, leave=False, file=sys.stderr)

    def show(self, name: str, share: float) -> None:
        """Show how much of a picture is done, 0…1."""
        with self._lock:
            self._shares[name] = share
            at_work = next((each for each, part in self._shares.items() if part < 1), name)
            place = f"{list(self._shares).index(at_work) + 1}/{self._pictures} " if self._pictures > 1 else ""
            self._bar.set_description_str(place + Path(at_work).name, refresh=False)
            self._bar.update(sum(self._shares.values()) - self._bar.n)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the bar away for as long as the block prints."""
        with self._lock:
            self._bar.clear()
            yield
            self._bar.refresh()

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()
