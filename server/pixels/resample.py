"""Bicubic enlargement of planes by a whole factor, for alpha and for values outside 0…1. numpy only.

Keys' kernel with a = -0.5 (Keys 1981), pixel centres at half pixels: the same result as Pillow's BICUBIC away from the
border; at the border the picture is mirrored. At ×2 the weights are exact in binary, so that a constant comes out as
itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.client.protocol import SCALE
from server.pixels.mirror import mirror

REACH = 2  # pixels of context above and below that a row of the result depends on


def enlarge_bicubic(planes: NDArray[np.float32], above: int, rows: int, factor: int = SCALE) -> NDArray[np.float32]:
    """Enlarge rows `above` … `above + rows` of planes.

    Args:
        planes: (C, H, W) float32, where the rows beyond the asked ones are context; where there are fewer than REACH of
            them, the planes end there, and are mirrored.
        above: first row to enlarge.
        rows: how many rows to enlarge.
        factor: how many times as wide and high they become.

    Returns:
        (C, factor·rows, factor·W) float32, not clipped.
    """
    count, height, width = planes.shape
    taken = planes[:, mirror(above - REACH, above + rows + REACH, height)]
    phases = [_taps(phase, factor) for phase in range(factor)]
    tall = np.empty((count, factor * rows, width), np.float32)
    for phase, (first, weights) in enumerate(phases):
        tall[:, phase::factor] = _blend([taken[:, tap : tap + rows] for tap in range(first, first + 4)], weights)
    taken = tall[:, :, mirror(-REACH, width + REACH, width)]
    wide = np.empty((count, factor * rows, factor * width), np.float32)
    for phase, (first, weights) in enumerate(phases):
        wide[:, :, phase::factor] = _blend([taken[:, :, tap : tap + width] for tap in range(first, first + 4)], weights)
    return wide


def _taps(phase: int, factor: int) -> tuple[int, list[float]]:
    """Return where the four pixels begin that make one of the result, from REACH before its own, and their weights."""
    place = (phase + 0.5) / factor - 0.5  # from the centre of its own pixel
    first = int(place >= 0)
    return first, [_kernel(abs(tap - REACH - place)) for tap in range(first, first + 4)]


def _kernel(distance: float) -> float:
    if distance <= 1:
        return 1.5 * distance**3 - 2.5 * distance**2 + 1
    return -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2


def _blend(taps: list[NDArray[np.float32]], weights: list[float]) -> NDArray[np.float32]:
    total = taps[0] * np.float32(weights[0])
    for tap, weight in zip(taps[1:], weights[1:], strict=True):
        total += tap * np.float32(weight)
    return total
