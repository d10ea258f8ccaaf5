"""Antialiased reduction of planes by up to a few times, in linear light. numpy only.

Lanczos' kernel of three lobes (Duchon 1979), stretched by the ratio, its weights computed for each position of the
result; pixel centres at half pixels, mirrored at the border. Channels are reduced one by one with the same operations,
so that grey stays grey.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from server.client.protocol import Size
from server.pixels import transfer
from server.pixels.layouts import Planes
from server.pixels.mirror import mirror, mirrored_span
from server.pixels.prepare import HEADROOM, LARGEST

LOBES = 3
BLOCK = 32  # columns of the result for which one product is computed: its matrix is mostly zeros where it is wider
Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # of a plane (H, W)
EXACT = 1e-5  # alpha nearer to 0 or 1 than this differs by rounding only


class Reduction:
    """From planes of one size to planes of another one, which is nowhere larger."""

    def __init__(self, before: Size, after: Size) -> None:
        self._before, self._after = before, after
        self._columns = [
            (slice(left, min(left + BLOCK, after.width)),
             *weights(left, min(left + BLOCK, after.width), before.width, after.width))
            for left in range(0, after.width, BLOCK)
        ]  # fmt: skip

    def rows(self, top: int, bottom: int) -> tuple[int, int]:
        """Return the first row of the input, and the one beyond the last, that rows top … bottom-1 are made of."""
        return mirrored_span(*_reach(top, bottom, self._before.height, self._after.height), self._before.height)

    def reduce(self, planes: Planes, top: int, bottom: int, transparent_up_to: float) -> Planes:
        """Reduce the rows that `rows(top, bottom)` names.

        Args:
            planes: of these rows: colour (C, H, W) as displayed, finite, also beyond 0…1; alpha (H, W), 0…1.
            top: first row of the result.
            bottom: row beyond the last.
            transparent_up_to: alpha that counts as 0: there the colour is the nearest pixel's own, however invisible.

        Returns:
            Colour (C, bottom - top, W'), as displayed, and alpha. What lies above 1 and what lies below 0 is reduced
            apart, so that neither rings into the other.
        """
        first, matrix = weights(top, bottom, self._before.height, self._after.height)

        def run(plane: NDArray[np.float32]) -> NDArray[np.float32]:
            return self._across(np.matmul(matrix, plane))

        alpha = planes.alpha
        is_opaque = alpha is None or bool((alpha == 1).all())
        cover = None if is_opaque or alpha is None else np.clip(run(alpha), 0, 1)
        colour = np.stack([
            _channel(plane, None if cover is None else alpha, cover, run) for plane in planes.colour
        ])  # fmt: skip
        if cover is None:
            return Planes(colour, None if alpha is None else np.ones(colour.shape[1:], np.float32))
        cover[cover <= EXACT] = 0
        cover[cover >= 1 - EXACT] = 1
        hidden = cover <= transparent_up_to
        if hidden.any():
            np.copyto(colour, self._nearest(planes.colour, first, top, bottom), where=hidden)
        return Planes(colour, cover)

    def _across(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        reduced = np.empty((len(rows), self._after.width), np.float32)
        for place, first, matrix in self._columns:
            np.matmul(rows[:, first : first + matrix.shape[1]], matrix.T, out=reduced[:, place])
        return reduced

    def _nearest(self, colour: NDArray[np.float32], start: int, top: int, bottom: int) -> NDArray[np.float32]:
        before, after = self._before, self._after
        rows = (2 * np.arange(top, bottom) + 1) * before.height // (2 * after.height) - start
        columns = (2 * np.arange(after.width) + 1) * before.width // (2 * after.width)
        return colour[:, rows][:, :, columns]


def weights(start: int, stop: int, before: int, after: int) -> tuple[int, NDArray[np.float32]]:
    """Return what positions of a reduced axis are made of.

    Args:
        start: first position of the result.
        stop: position beyond the last.
        before: length of the axis.
        after: its length when it is reduced, at most `before`.

    Returns:
        The first position of the input, and (stop - start, positions of the input) float32, whose rows sum to 1.
    """
    lowest, highest = _reach(start, stop, before, after)
    centres = (np.arange(start, stop)[:, None] + 0.5) * before / after
    distance = (np.arange(lowest, highest) + 0.5 - centres) * after / before
    taps = np.where(np.abs(distance) < LOBES, np.sinc(distance) * np.sinc(distance / LOBES), 0)
    taps /= taps.sum(axis=1, keepdims=True)
    folded = np.array(mirror(lowest, highest, before))
    matrix = np.zeros((stop - start, int(folded.max() - folded.min()) + 1))
    np.add.at(matrix.T, folded - folded.min(), taps.T)
    return int(folded.min()), matrix.astype(np.float32)


def _reach(start: int, stop: int, before: int, after: int) -> tuple[int, int]:
    """Return the span of the endlessly mirrored axis that positions start … stop-1 of the result depend on."""
    reach = LOBES * before / after
    return math.floor((start + 0.5) * before / after - reach), math.ceil((stop - 0.5) * before / after + reach)


def _channel(
    plane: NDArray[np.float32], alpha: NDArray[np.float32] | None, cover: NDArray[np.float32] | None, run: Run
) -> NDArray[np.float32]:
    """Reduce one channel, weighted by alpha, whose reduction is `cover`; both are None where all is opaque."""
    clipped = np.clip(plane, 0, 1)

    def reduced(values: NDArray[np.float32]) -> NDArray[np.float32]:
        if alpha is None or cover is None:
            return run(values)
        values = run(values * alpha)
        return np.divide(values, cover, out=np.zeros_like(values), where=cover > EXACT)

    result = transfer.to_perceptual(np.clip(reduced(transfer.to_linear(clipped)), 0, 1))
    excess = (plane - clipped) * HEADROOM
    for part, least, most in ((np.maximum(excess, 0), 0, LARGEST), (np.minimum(excess, 0), -LARGEST, 0)):
        if part.any():
            beyond = np.clip(reduced(part), least * HEADROOM, most * HEADROOM)
            result += beyond / HEADROOM
    return result
