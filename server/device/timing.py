"""How long something takes: the one measurement behind the choice of an engine and every figure of speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

LEAST_RUNS, MOST_RUNS = 3, 50


def median_seconds(run: Callable[[], object], patience: float, *, warm_ups: int = 1) -> float:
    """Run something again and again, and return the median of one run.

    Args:
        run: what is measured; on a GPU it must end with a synchronisation.
        patience: seconds to spend on runs beyond the third.
        warm_ups: runs before those that count; they pay for what is only paid once.

    Returns:
        Seconds.
    """
    for _ in range(warm_ups):
        run()
    taken: list[float] = []
    until = time.perf_counter() + patience
    while len(taken) < LEAST_RUNS or (len(taken) < MOST_RUNS and time.perf_counter() < until):
        begun = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)
