"""Bicubic enlargement ×2 of planes, for alpha and for values outside 0…1. numpy only.

Keys' kernel with a = -0.5 (Keys 1981), pixel centres at half pixels: the same result as Pillow's BICUBIC away from the
border; at the border the picture is mirrored. The weights are exact in binary, so a constant comes out as itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.pixels.mirror import mirror

REACH = 2  # pixels of context above and below that a row of the result depends on
FAR_TO_NEAR = (-0.0234375, 0.2265625, 0.8671875, -0.0703125)  # Keys at 1.75, 0.75, 0.25, 1.25


def enlarge_bicubic(planes: NDArray[np.float32], above: int, rows: int) -> NDArray[np.float32]:
    """Enlarge rows `above` … `above + rows` of planes ×2.

    Args:
        planes: (C, H, W) float32, where the rows beyond the asked ones are context; where there are fewer than REACH of
            them, the planes end there, and are mirrored.
        above: first row to enlarge.
        rows: how many rows to enlarge.

    Returns:
        (C, 2·rows, 2W) float32, not clipped.
    """
    count, height, width = planes.shape
    taken = planes[:, mirror(above - REACH, above + rows + REACH, height)]
    tall = np.empty((count, 2 * rows, width), np.float32)
    for phase in (0, 1):
        tall[:, phase::2] = _blend([taken[:, phase + tap : phase + tap + rows] for tap in range(4)], phase)
    taken = tall[:, :, mirror(-REACH, width + REACH, width)]
    wide = np.empty((count, 2 * rows, 2 * width), np.float32)
    for phase in (0, 1):
        wide[:, :, phase::2] = _blend([taken[:, :, phase + tap : phase + tap + width] for tap in range(4)], phase)
    return wide


def _blend(taps: list[NDArray[np.float32]], phase: int) -> NDArray[np.float32]:
    weights = FAR_TO_NEAR if phase == 0 else FAR_TO_NEAR[::-1]
    total = taps[0] * np.float32(weights[0])
    for tap, weight in zip(taps[1:], weights[1:], strict=True):
        total += tap * np.float32(weight)
    return total
