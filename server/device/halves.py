"""A run that does not fit into a device's memory, in two: the batch first, then the tile with its context."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from server.pipeline.engine import SMALLEST_TILE

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def run_in_halves(run: Run, tiles: NDArray[np.float32], halo: int) -> NDArray[np.float32] | None:
    """Run tiles in two halves whose result is that of all at once.

    Args:
        run: takes (N, 3, H, W) to (N, 3, scale·H, scale·W); it may halve again.
        tiles: (N, 3, H, W), with `halo` pixels of context.
        halo: context, which both halves of a tile get.

    Returns:
        (N, 3, scale·H, scale·W); None where it is one tile of the smallest size.
    """
    count, _, height, width = tiles.shape
    if count > 1:
        return np.concatenate([run(tiles[: count // 2]), run(tiles[count // 2 :])])
    axis = 2 if height >= width else 3
    core = tiles.shape[axis] - 2 * halo
    if core <= SMALLEST_TILE:
        return None
    middle = core // 2
    first, second = (slice(0, middle + 2 * halo), slice(middle, None))
    parts = []
    for part, start, stop in ((first, 0, middle + halo), (second, halo, core - middle + 2 * halo)):
        half = np.ascontiguousarray(tiles[:, :, part] if axis == 2 else tiles[:, :, :, part])
        enlarged = run(half)
        scale = enlarged.shape[axis] // half.shape[axis]
        kept = slice(scale * start, scale * stop)
        parts.append(enlarged[:, :, kept] if axis == 2 else enlarged[:, :, :, kept])
    return np.concatenate(parts, axis=axis)
