"""Keeps the colours: low frequencies in which a generator drifted from its input are put back. numpy only.

Back-projection (Irani and Peleg 1991), restricted to low frequencies: input and result are compared as means over
cells of CELL×CELL input pixels; the differences, smoothed, are put on the result. Differences up to TOLERANCE stay, so
that a generator that keeps the colours is left alone and pays for one comparison only.

A correction moves each pixel towards white or towards black, by a share of what lies between: added as it is, it would
be clipped away where most pixels are white or black already, as around text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from server.client.protocol import SCALE

CELL = 4  # input pixels; band heights are multiples of it
REACH = 4  # cells: two rounds of smoothing and blending between cells
TOLERANCE = 0.4 / 255
LEAST_ROOM = 0.02  # between a cell's mean and white or black; below it, a correction is made in part


@dataclass(frozen=True)
class Comparison:
    """Input and result, cell by cell."""

    differences: NDArray[np.float32]  # (C, rows, columns) float32, input minus result
    means: NDArray[np.float32]  # the same shape, of the result

    def part(self, rows: slice) -> Comparison:
        """Return some of the rows."""
        return Comparison(self.differences[:, rows], self.means[:, rows])


def compare(before: NDArray[np.float32], after: NDArray[np.float32]) -> Comparison:
    """Compare planes (C, H, W) with their enlargement (C, factor·H, factor·W)."""
    means = cell_means(after, after.shape[2] // before.shape[2] * CELL)
    return Comparison(cell_means(before, CELL) - means, means)


def joined(parts: list[Comparison]) -> Comparison:
    """Put comparisons one below the other."""
    differences = np.concatenate([part.differences for part in parts], axis=1)
    return Comparison(differences, np.concatenate([part.means for part in parts], axis=1))


def cell_means(planes: NDArray[np.float32], cell: int) -> NDArray[np.float32]:
    """Return the means over cells of `cell`×`cell` pixels; cells cut off at the right or bottom use what they have.

    Args:
        planes: (C, H, W) float32.
        cell: pixels on each side.

    Returns:
        (C, ⌈H / cell⌉, ⌈W / cell⌉) float32.
    """
    return _fold(_fold(planes, 1, cell), 2, cell)


def _fold(planes: NDArray[np.float32], axis: int, cell: int) -> NDArray[np.float32]:
    """Take the means of `cell` neighbours along an axis; the last one may have fewer."""
    extent = planes.shape[axis]
    whole = extent - extent % cell
    planes = np.moveaxis(planes, axis, 0)
    means = np.empty((-(-extent // cell), *planes.shape[1:]), np.float32)
    full = means[: whole // cell]
    full[...] = planes[0:whole:cell]
    for offset in range(1, cell):  # whole slices at a time: several times as fast as summing few neighbours each
        full += planes[offset:whole:cell]
    full /= np.float32(cell)
    if whole < extent:
        planes[whole:].mean(axis=0, out=means[-1])
    return np.moveaxis(means, 0, axis)


def correction(found: Comparison) -> NDArray[np.float32] | None:
    """Turn a comparison into what to correct, cell by cell.

    Args:
        found: of a whole picture, or with REACH rows of context.

    Returns:
        (C, rows, columns) float32, -1…1: above 0 the share of the way to white, below 0 of the way to black; None where
        nothing drifted beyond the tolerance.
    """
    smooth = _beyond(_smooth(found.differences))
    if not smooth.any():
        return None
    # What blending between cells takes away again is asked for once more.
    wanted = smooth + _smooth(smooth - _smooth(smooth))
    room = np.maximum(_room(_smooth(found.means), wanted), np.float32(LEAST_ROOM))
    shares: NDArray[np.float32] = np.clip(wanted / room, -1, 1)
    return shares


def _room(values: NDArray[np.float32], direction: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(direction > 0, 1 - values, values)


def correct(rows: NDArray[np.float32], cells: NDArray[np.float32], first: int, factor: int = SCALE) -> None:
    """Correct rows of a result in place.

    Args:
        rows: (C, H, W) float32, 0…1.
        cells: what `correction` gave.
        first: the first of the rows, counted from the top of `cells`, in pixels of the result.
        factor: how many times as large as the input the result is.
    """
    height, width = rows.shape[1:]
    shares = spread(cells, first, height, width, factor)
    room = _room(rows, shares)
    room *= shares
    rows += room
    np.clip(rows, 0, 1, out=rows)


def spread(cells: NDArray[np.float32], first: int, rows: int, width: int, factor: int = SCALE) -> NDArray[np.float32]:
    """Blend a correction linearly from cell to cell.

    Args:
        cells: (C, cell rows, cell columns) float32 of a whole picture, or with at least one row of context.
        first: first row of the result, in pixels of the high resolution, counted from the top of `cells`.
        rows: number of rows of the result.
        width: width of the result in pixels.
        factor: how many times as large as the input the result is.

    Returns:
        (C, rows, width) float32.
    """
    return _stretch(_stretch(cells, 1, first, rows, factor), 2, 0, width, factor)


def _stretch(cells: NDArray[np.float32], axis: int, first: int, extent: int, factor: int) -> NDArray[np.float32]:
    place = (np.arange(first, first + extent, dtype=np.float32) + 0.5) / (factor * CELL) - 0.5
    before = np.floor(place).astype(np.intp)
    share = (place - before).astype(np.float32)
    share = share[:, None] if axis == 1 else share
    last = cells.shape[axis] - 1
    near = np.take(cells, np.clip(before, 0, last), axis)
    far = np.take(cells, np.clip(before + 1, 0, last), axis)
    far -= near
    far *= share
    far += near
    return far


def _smooth(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    framed = np.pad(cells, ((0, 0), (1, 1), (1, 1)), mode="edge")
    tall = framed[:, :-2] + 2 * framed[:, 1:-1] + framed[:, 2:]
    smooth: NDArray[np.float32] = (tall[:, :, :-2] + 2 * tall[:, :, 1:-1] + tall[:, :, 2:]) / np.float32(16)
    return smooth


def _beyond(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    size: NDArray[np.float32] = np.maximum(np.abs(cells) - np.float32(TOLERANCE), 0)
    return np.copysign(size, cells)
