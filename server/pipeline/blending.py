"""Fades a tile into the tiles before it, for networks whose tiles never equal the whole picture. numpy only.

A tile is computed some pixels further to the right and below than it is responsible for. The tile that lies there
begins with those pixels and becomes itself step by step, so that no edge is seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fade(
    place: NDArray[np.float32], piece: NDArray[np.float32], overlap: int, *, from_left: bool, from_above: bool
) -> None:
    """Put a tile where it belongs.

    Args:
        place: (C, H, W), changed in place; its first columns and rows hold what the tiles before reached over to it.
        piece: The tile, the same shape.
        overlap: Columns and rows over which it fades in.
        from_left: Whether there is a tile on its left.
        from_above: Whether there is one above it.
    """
    share = _ramp(place.shape[1], overlap, from_above)[:, None] * _ramp(place.shape[2], overlap, from_left)
    np.copyto(place, piece, where=share == 1)  # what no tile before has reached holds nothing to fade from
    np.copyto(place, place + share * (piece - place), where=share < 1)


def _ramp(extent: int, overlap: int, fades: bool) -> NDArray[np.float32]:
    ramp = np.ones(extent, np.float32)
    if fades:
        steps = (np.arange(overlap, dtype=np.float32) + 0.5) / overlap
        ramp[:overlap] = steps[:extent]
    return ramp
