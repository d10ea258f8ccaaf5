"""The endlessly mirrored axis: what lies beyond a picture's border. Integers only."""

from __future__ import annotations


def mirror(start: int, stop: int, length: int) -> list[int]:
    """Map start … stop-1 on the endlessly mirrored axis to 0 … length-1 (the edge is repeated: c b a|a b c)."""
    period = 2 * length
    folded = (index % period for index in range(start, stop))
    return [index if index < length else period - 1 - index for index in folded]


def mirrored_span(start: int, stop: int, length: int) -> tuple[int, int]:
    """Return the smallest first … last+1 that holds all of `mirror(start, stop, length)`."""
    needed = mirror(start, stop, length)
    return min(needed), max(needed) + 1
