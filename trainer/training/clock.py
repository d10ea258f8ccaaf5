"""Turns minutes into steps, for a training that has to end in time: `--max-minutes`."""

from __future__ import annotations

import time

UNKNOWN_STEPS = 1 << 30  # before the first step has been timed
_RESERVED_SHARE = 0.02  # of the time, at least, for the last validation and the last checkpoint


class Clock:
    """Counts the seconds of a phase, over all calls, and says how many steps there is time for.

    Args:
        spent: Seconds that earlier calls took.
        max_minutes: Minutes that the phase may take; 0 for no limit.
    """

    def __init__(self, spent: float, max_minutes: float) -> None:
        self._started = time.monotonic() - spent
        self._limit = 60 * max_minutes
        self._reserve = _RESERVED_SHARE * self._limit

    def seconds(self) -> float:
        """Return the seconds spent so far, those of earlier calls included."""
        return time.monotonic() - self._started

    def keep_in_reserve(self, seconds: float) -> None:
        """Leave time for something that has to be done at the end and took so many seconds just now."""
        self._reserve = max(self._reserve, 1.5 * seconds)

    def steps(self, step: int, planned: int) -> int:
        """Return how many steps the phase has in all, at the speed so far.

        Args:
            step: Steps done.
            planned: Steps where there is no limit.

        Returns:
            At least `step`; equal to it once the time is up.
        """
        if not self._limit:
            return planned
        spent = self.seconds()
        left = self._limit - self._reserve - spent
        if left <= 0:
            return step
        return step + int(left * step / spent) if step else UNKNOWN_STEPS
