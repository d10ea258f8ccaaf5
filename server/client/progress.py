"""How far a call has come, as a text for the user.

Standard library only: this package is copied whole into both plug-ins.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class Progress:
    """Turns fractions into a text with the time that remains, judged by the pace so far."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()

    def text(self, done: int, promised: int) -> str:
        """Return for example "42 %, 1 min 5 s left"; the time is left out until it can be judged."""
        fraction = done / promised if promised else 0.0
        elapsed = self._clock() - self._started
        percent = f"{int(fraction * 100)} %"
        if fraction < 0.02 or elapsed < 1.0 or fraction >= 1.0:
            return percent
        left = math.ceil(elapsed / fraction - elapsed)
        minutes, seconds = divmod(left, 60)
        return f"{percent}, {minutes} min {seconds} s left" if minutes else f"{percent}, {seconds} s left"
