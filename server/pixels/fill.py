"""Fill pixels that have no colour of their own: under full transparency, or not finite. numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0)]


def bleed(planes: NDArray[np.float32], unknown: NDArray[np.bool_], reach: int) -> None:
    """Fill unknown pixels from known ones, ring by ring: each takes the mean of its known neighbours.

    What lies further than `reach` from every known pixel becomes 0, which nothing visible depends on.

    Args:
        planes: (C, H, W) float32, changed in place.
        unknown: (H, W), true where a pixel has no colour.
        reach: number of rings, in pixels.
    """
    width = planes.shape[2]
    planes[:, unknown] = 0.0
    known = np.pad(~unknown, 1)  # a border of unknown pixels saves every test for the edge
    framed = np.pad(planes, ((0, 0), (1, 1), (1, 1)))
    flat, colour = known.reshape(-1), framed.reshape(len(planes), -1)
    offsets = np.array([down * (width + 2) + right for down, right in NEIGHBOURS])
    inside = np.zeros_like(known)
    inside[1:-1, 1:-1] = True
    border = _around(np.flatnonzero(known), offsets, flat, inside.reshape(-1))
    for _ in range(reach):
        if not len(border):
            break
        around = border[:, None] + offsets
        weight = flat[around].astype(np.float32)
        colour[:, border] = (colour[:, around] * weight).sum(axis=2) / weight.sum(axis=1)
        flat[border] = True
        border = _around(border, offsets, flat, inside.reshape(-1))
    planes[:] = framed[:, 1:-1, 1:-1]


def _around(
    centres: NDArray[np.intp], offsets: NDArray[np.intp], known: NDArray[np.bool_], inside: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Return the unknown pixels that touch one of `centres`, each once, in ascending order."""
    reached = np.zeros_like(known)
    for offset in offsets:
        reached[centres + offset] = True
    return np.flatnonzero(reached & ~known & inside)
