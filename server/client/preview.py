"""What both plug-ins' previews have in common: the patch, and asking for the latest request only.

Standard library only: this package is copied whole into both plug-ins. Knows no toolkit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from .geometry import Region
from .protocol import Cancel, Size

QUIET = 0.2  # seconds without a new request before the preview asks the server

Request = TypeVar("Request")


def patch_about(centre: tuple[int, int], bounds: Region, size: Size) -> Region:
    """Return the patch to preview: of `size` where `bounds` are as large, about `centre`, pushed inside `bounds`."""
    width, height = min(size.width, bounds.width), min(size.height, bounds.height)
    x = min(max(centre[0] - width // 2, bounds.x), bounds.right - width)
    y = min(max(centre[1] - height // 2, bounds.y), bounds.bottom - height)
    return Region(x, y, width, height)


def fitted(size: Size, limit: Size) -> Size:
    """Return the largest size of the same shape within `limit`, never larger than `size`, never below 1×1."""
    factor = min(limit.width / size.width, limit.height / size.height, 1.0)
    return Size(max(1, int(size.width * factor)), max(1, int(size.height * factor)))


def pointed_at(point: tuple[float, float], thumbnail: Size, bounds: Region) -> tuple[int, int]:
    """Return the pixel of `bounds` that a point on its thumbnail shows; points outside count as its border."""
    across = min(max(point[0] / thumbnail.width, 0.0), 1.0)
    down = min(max(point[1] / thumbnail.height, 0.0), 1.0)
    return (
        bounds.x + min(int(across * bounds.width), bounds.width - 1),
        bounds.y + min(int(down * bounds.height), bounds.height - 1),
    )


class LatestOnly(Generic[Request]):
    """Works on the latest request only, in a thread of its own: earlier ones are dropped, or cancelled when under way.

    A request waits until `quiet` seconds have passed without a newer one, so that dragging a slider asks once.

    Args:
        work: what to do with a request, in the thread; it ends early when its Cancel is thrown, and raises nothing.
        quiet: seconds to wait for a newer request.
    """

    def __init__(self, work: Callable[[Request, Cancel], None], quiet: float = QUIET) -> None:
        self._work, self._quiet = work, quiet
        self._changed = threading.Condition()
        self._request: Request | None = None
        self._due = 0.0
        self._cancel = Cancel()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="latest", daemon=True)
        self._thread.start()

    def ask(self, request: Request) -> None:
        """Make this the latest request; whatever was under way is cancelled."""
        with self._changed:
            self._request, self._due = request, time.monotonic() + self._quiet
            self._cancel.cancel()
            self._changed.notify()

    def end(self) -> None:
        """Cancel what is under way and let the thread end; returns at once."""
        with self._changed:
            self._ended = True
            self._cancel.cancel()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._ended and (self._request is None or time.monotonic() < self._due):
                    self._changed.wait(None if self._request is None else self._due - time.monotonic())
                if self._ended or self._request is None:
                    return
                request, self._request = self._request, None
                self._cancel = cancel = Cancel()
            self._work(request, cancel)
