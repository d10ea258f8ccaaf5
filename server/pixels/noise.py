"""How noisy a picture is, from its pixels alone. numpy only.

Noise is everywhere and texture is not, so the level is read off the blocks that have least of the middle frequencies.
Those must look like noise: many values (dither has few), few equal neighbours, and about as much of the middle
frequencies as of the high ones (hatching, halftone, letters and fine texture have several times as much).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.pixels.cosines import BLOCK, blocks_of, cosine_matrix

HIGH = [(v, u) for v in range(4, BLOCK) for u in range(4, BLOCK)]
MIDDLE = [(v, u) for v in range(4) for u in range(4) if 2 <= v + u <= 4]
CALMEST = 0.1  # share of the blocks that the level is read off
FEWEST_BLOCKS = 32
LUMA_SHARE = 0.668  # in luma, where red, green and blue have independent noise of standard deviation 1
WEAKEST, STRONGEST = 1.5, 24.0  # of 255: below nobody sees it, beyond it may be grass, gravel or ink
# Values that a block of noise has at least: so many, and so many more for each unit of its level, up to the most.
DISTINCT, DISTINCT_PER_LEVEL, MOST_DISTINCT = 4.0, 1.5, 22.0
MOST_EQUAL, EQUAL_PER_LEVEL = 0.25, 0.85  # share of equal neighbours; at most the second, divided by the level
# Middle frequencies, times the high ones: 1 in noise alone, and the stronger the noise, the less else is seen in it.
MOST_MIDDLE, MIDDLE_BY_VARIANCE = 2.5, 100.0

_HIGH = cosine_matrix(HIGH)
_MIDDLE = cosine_matrix(MIDDLE)


def measure_noise(luma: NDArray[np.float32]) -> float:
    """Estimate the noise's standard deviation.

    Args:
        luma: (N, H, W), 0…255, pieces of one picture.

    Returns:
        Standard deviation of red, green and blue, of 255; 0 where nothing looks like noise.
    """
    blocks = blocks_of(luma)
    blocks = blocks[np.ptp(blocks, axis=1) > 0]  # overexposed and black parts say nothing
    if len(blocks) < FEWEST_BLOCKS:
        return 0.0
    middle = _levels(blocks, _MIDDLE)
    calm = middle <= np.quantile(middle, CALMEST)
    blocks = blocks[calm]
    level = float(np.median(_levels(blocks, _HIGH)))
    noise = level / LUMA_SHARE
    if not WEAKEST <= noise <= STRONGEST:
        return 0.0
    if np.median(middle[calm]) > level * min(MOST_MIDDLE, 1 + MIDDLE_BY_VARIANCE / noise**2):
        return 0.0
    return noise if _has_many_values(np.rint(blocks), level) else 0.0


def _levels(blocks: NDArray[np.float32], cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the root of each block's mean square over some frequencies."""
    levels: NDArray[np.float32] = np.sqrt(np.square(blocks @ cosines).mean(axis=1))
    return levels


def _has_many_values(blocks: NDArray[np.float32], level: float) -> bool:
    distinct = 1 + np.count_nonzero(np.diff(np.sort(blocks, axis=1), axis=1), axis=1)
    equal = np.diff(blocks.reshape(-1, BLOCK, BLOCK), axis=2) == 0
    least = min(DISTINCT + DISTINCT_PER_LEVEL * level, MOST_DISTINCT)
    return bool(np.median(distinct) >= least and equal.mean() <= min(MOST_EQUAL, EQUAL_PER_LEVEL / level))
