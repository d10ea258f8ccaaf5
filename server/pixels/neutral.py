"""Keeps grey grey: a generator gives its three channels apart, and tints what has no colour. numpy only.

Where the neighbourhood of a pixel is neutral, the three channels become their mean, which is what a grey picture gets;
near coloured pixels the generator's own colours come in step by step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 0.25 / 255  # between a pixel's channels: none at all with 8 bits, rounding with 16
REACH = 4  # pixels from a coloured one at which a neutral one is fully grey
ROWS_AT_ONCE = 16  # of the result, so that what is computed stays in the processor's cache


def keep(before: NDArray[np.float32], above: int, after: NDArray[np.float32]) -> None:
    """Make the enlargement of neutral pixels neutral.

    Args:
        before: the input, (C, H, W), 0…1, with up to REACH rows of context above and below; fewer where it ends.
        above: the first row of it that was enlarged.
        after: its enlargement, (C, factor·rows, factor·W), changed in place; grey, C = 1, is left alone.
    """
    if len(before) != 3:
        return
    factor = after.shape[2] // before.shape[2]
    rows = after.shape[1] // factor
    first = max(0, above - REACH)
    shares = _shares(before[:, first : above + rows + REACH])
    if shares is None:
        return
    shares = shares[above - first : above - first + rows]
    step = max(1, ROWS_AT_ONCE // factor)
    for top in range(0, len(shares), step):
        share = shares[top : top + step]
        if not share.any():
            continue
        part = after[:, factor * top : factor * (top + len(share))]
        mean = part.mean(axis=0)
        if share.all() and share.min() == 1:
            part[...] = mean
            continue
        wide = share.repeat(factor, axis=0).repeat(factor, axis=1)
        part += (mean - part) * wide
        np.copyto(part, mean, where=wide == 1)


def _shares(colour: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return how grey each pixel's enlargement is to be, (H, W) in 0…1; None where it is nowhere so."""
    neutral = colour.max(axis=0) - colour.min(axis=0) <= TOLERANCE
    if neutral.all():
        return np.ones(neutral.shape, np.float32)
    shares = np.zeros(neutral.shape, np.float32)
    for _ in range(REACH - 1):
        neutral = _without_its_border(neutral)
        if not neutral.any():
            break
        shares += neutral
    shares /= np.float32(REACH - 1)
    return shares if shares.any() else None


def _without_its_border(neutral: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the pixels whose eight neighbours are neutral as well; beyond the picture everything is."""
    framed = np.pad(neutral, 1, constant_values=True)
    tall = framed[:-2] & framed[1:-1] & framed[2:]
    return np.asarray(tall[:, :-2] & tall[:, 1:-1] & tall[:, 2:])
