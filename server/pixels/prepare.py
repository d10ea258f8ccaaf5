"""Prepare rows of a picture for the generator: colour as displayed, filled where there is none, clipped to 0…1.

numpy only. Whatever was taken away (values beyond 0…1, alpha) is kept aside and put back after the enlargement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.client.protocol import PixelFormat
from server.pixels import fill, resample, transfer
from server.pixels.layouts import Planes, to_planes
from server.pixels.mirror import mirror, mirrored_span

LARGEST = np.finfo(np.float32).max
HEADROOM = np.float32(1 / 16)  # a power of two: the enlargement of the largest values overshoots, and stays finite
LARGEST_BLED = np.float32(1e37)  # so that the sum of eight neighbours is finite

ReadRows = Callable[[int, int], NDArray[Any]]  # first row, row beyond the last → samples (H, W, S)


@dataclass(frozen=True)
class PreparedRows:
    """Rows `top` … of a picture."""

    top: int  # the picture row that the planes begin with
    clipped: NDArray[np.float32]  # colour for the generator, (C, H, W) float32, 0…1, finite
    excess: NDArray[np.float32] | None  # what clipping took away, same shape, or None where it took nothing
    alpha: NDArray[np.float32] | None  # (H, W) float32, 0…1, or None without alpha
    # colour as it came (as displayed, finite), (C, H, W), or None where everything is opaque
    hidden: NDArray[np.float32] | None

    def cut(self, left: int, top: int, width: int, height: int, size: tuple[int, int]) -> NDArray[np.float32]:
        """Cut (3, height, width) for the generator, mirrored beyond the picture.

        Args:
            left: first column, in picture pixels; may be negative.
            top: first row, likewise.
            width: number of columns.
            height: number of rows.
            size: the picture's width and height.

        Returns:
            Contiguous float32; grey is repeated three times.
        """
        if top >= 0 and left >= 0 and top + height <= size[1] and left + width <= size[0]:  # nothing to mirror
            inside = top - self.top
            piece = self.clipped[:, inside : inside + height, left : left + width]
        else:
            rows = np.array(mirror(top, top + height, size[1])) - self.top
            columns = np.array(mirror(left, left + width, size[0]))
            piece = self.clipped.take(rows, axis=1).take(columns, axis=2)
        return np.ascontiguousarray(np.broadcast_to(piece, (3, height, width)))


def prepare_rows(
    read_rows: ReadRows, size: tuple[int, int], top: int, bottom: int, pixel_format: PixelFormat, halo: int
) -> PreparedRows:
    """Read and prepare what rows `top` … `bottom` of the endlessly mirrored picture are made of.

    Args:
        read_rows: the picture's rows as samples.
        size: the picture's width and height.
        top: first row, may be negative.
        bottom: row beyond the last, may lie beyond the picture.
        pixel_format: of the samples.
        halo: how far colour is bled into pixels that have none.

    Returns:
        A prepared that holds every row asked for.
    """
    first, last = mirrored_span(top, bottom, size[1])
    planes = to_planes(read_rows(first, last), pixel_format)
    unknown = unknown_pixels(planes)
    if unknown is not None:  # rows that colour may come from: read again, wider
        start, end = max(0, first - halo), min(size[1], last + halo)
        planes = to_planes(read_rows(start, end), pixel_format)
        return _crop(_finish(start, planes, pixel_format, halo), first, last)
    return _finish(first, planes, pixel_format, halo)


def unknown_pixels(planes: Planes) -> NDArray[np.bool_] | None:
    """Find pixels without a colour of their own, (H, W), or None where every pixel has one."""
    unknown = np.logical_not(np.isfinite(planes.colour)).any(axis=0)
    if planes.alpha is not None:
        unknown = unknown | np.logical_not(planes.alpha > 0)  # an alpha of NaN hides as well
    return np.asarray(unknown) if unknown.any() else None


def _finish(top: int, planes: Planes, pixel_format: PixelFormat, halo: int) -> PreparedRows:
    colour, alpha = planes.colour, planes.alpha
    unknown = unknown_pixels(planes)
    if unknown is not None:
        finite = np.isfinite(colour)
        colour = np.where(finite, colour, np.float32(0))
    if pixel_format.transfer == "linear":
        colour = transfer.to_perceptual(colour)
    if alpha is not None:
        alpha = np.clip(np.nan_to_num(alpha, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
    # Whether it is needed depends on the result's alpha, pixel by pixel, and not on what else this part holds.
    hidden = colour if alpha is not None and (alpha < 1).any() else None
    if unknown is not None:
        filled = np.clip(colour, -LARGEST_BLED, LARGEST_BLED)
        fill.bleed(filled, unknown, halo)
        # Only what is missing is replaced: a pixel with one bad sample keeps the others.
        keep = finite if alpha is None else finite & (alpha > 0)
        colour = np.where(keep, colour, filled)
    clipped = np.clip(colour, 0, 1)
    excess = colour - clipped
    return PreparedRows(top, clipped, excess if excess.any() else None, alpha, hidden)


def _crop(prepared: PreparedRows, first: int, last: int) -> PreparedRows:
    rows = slice(first - prepared.top, last - prepared.top)
    return PreparedRows(
        first,
        prepared.clipped[:, rows],
        None if prepared.excess is None else prepared.excess[:, rows],
        None if prepared.alpha is None else prepared.alpha[rows],
        None if prepared.hidden is None else prepared.hidden[:, rows],
    )


def enlarge_excess(prepared: PreparedRows, top: int, rows: int, factor: int) -> NDArray[np.float32] | None:
    """Enlarge what clipping took away; above and below the range apart, so that neither rings into the other."""
    if prepared.excess is None:
        return None
    context = _context(prepared, top, rows)
    excess = prepared.excess[:, context] * HEADROOM
    if not excess.any():
        return None
    above = top - prepared.top - context.start
    brighter: NDArray[np.float32] = np.maximum(resample.enlarge_bicubic(np.maximum(excess, 0), above, rows, factor), 0)
    darker = np.minimum(resample.enlarge_bicubic(np.minimum(excess, 0), above, rows, factor), 0)
    brighter += darker
    np.clip(brighter, -LARGEST * HEADROOM, LARGEST * HEADROOM, out=brighter)
    brighter /= HEADROOM
    return brighter


def enlarge_alpha(prepared: PreparedRows, top: int, rows: int, factor: int) -> NDArray[np.float32] | None:
    """Enlarge alpha, (factor·rows, factor·W) in 0…1; a constant comes out as itself at no cost."""
    if prepared.alpha is None:
        return None
    context = _context(prepared, top, rows)
    alpha = prepared.alpha[context]
    if alpha[0, 0] in (0, 1) and (alpha == alpha[0, 0]).all():  # others come out as themselves but for rounding
        return np.full((factor * rows, factor * alpha.shape[1]), alpha[0, 0], np.float32)
    enlarged = resample.enlarge_bicubic(alpha[None], top - prepared.top - context.start, rows, factor)[0]
    np.clip(enlarged, 0, 1, out=enlarged)
    return np.asarray(enlarged)


def _context(prepared: PreparedRows, top: int, rows: int) -> slice:
    start = max(0, top - prepared.top - resample.REACH)
    return slice(start, min(prepared.clipped.shape[1], top - prepared.top + rows + resample.REACH))
