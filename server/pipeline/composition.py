"""A result of any size from ×1 to ×8: enlarged as often as it takes, then reduced to the size asked for.

Each step reads rows of the one before as it needs them, so that memory stays bounded by bands. Between the steps
pixels are float32, as displayed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.client.protocol import PixelFormat, Size
from server.pipeline.job import Job
from server.pipeline.model_key import ModelKey
from server.pipeline.upscale import BandUpscaler, Picture, context_of
from server.pixels import transfer
from server.pixels.layouts import Planes, from_planes, to_planes, transparent_up_to
from server.pixels.reduce import Reduction

BAND_PIXELS = 1 << 20  # that are reduced at once
LEAST_ROWS = 16  # of them


def enlarged_bands(
    picture: Picture, result: Size, job: Job, key: ModelKey, following: ModelKey
) -> Iterator[NDArray[Any]]:
    """Yield a result's rows from top to bottom, as samples (rows, width, S) of the picture's own format.

    Args:
        picture: what is to be enlarged.
        result: its size afterwards; `can_become` holds.
        job: where the tiles run; what it raises passes through.
        key: the generator.
        following: the one for what the first has made; its scale is more than 1.
    """
    wanted = picture.pixel_format
    between = PixelFormat(wanted.layout, "f32")
    is_large_enough = False
    while not is_large_enough:
        size = picture.size.enlarged(key.scale)
        if size == result:
            yield from BandUpscaler(picture, job, key, wanted).bands()
            return
        is_large_enough = size.width >= result.width and size.height >= result.height
        bands = BandUpscaler(picture, job, key, between).bands()
        key = following
        rows = _Rows(bands, 0 if is_large_enough else context_of(key))
        picture = Picture(size, between, rows.read)
    yield from _reduced(picture, result, wanted)


class _Rows:
    """The rows of bands, which come when they are asked for; they are asked for from top to bottom.

    Args:
        bands: samples (rows, W, S).
        kept: how many rows above the first of a question may still be asked for later.
    """

    def __init__(self, bands: Iterator[NDArray[Any]], kept: int) -> None:
        self._bands, self._kept = bands, kept
        self._held: deque[NDArray[Any]] = deque()
        self._start = self._stop = 0  # of the rows that are held

    def read(self, first: int, last: int) -> NDArray[Any]:
        """Return rows first … last-1."""
        while self._held and self._start + len(self._held[0]) <= first - self._kept:
            self._start += len(self._held.popleft())
        while self._stop < last:
            self._held.append(next(self._bands))
            self._stop += len(self._held[-1])
        parts = []
        start = self._start
        for band in self._held:
            parts.append(band[max(0, first - start) : max(0, last - start)])
            start += len(band)
        return np.concatenate(parts)


def _reduced(picture: Picture, result: Size, wanted: PixelFormat) -> Iterator[NDArray[Any]]:
    reduction = Reduction(picture.size, result)
    rows_read = max(LEAST_ROWS, BAND_PIXELS // picture.size.width)
    step = max(1, rows_read * result.height // picture.size.height)
    for top in range(0, result.height, step):
        bottom = min(top + step, result.height)
        planes = to_planes(picture.read_rows(*reduction.rows(top, bottom)), picture.pixel_format)
        reduced = reduction.reduce(planes, top, bottom, transparent_up_to(wanted))
        if wanted.transfer == "linear":
            reduced = Planes(transfer.to_linear(reduced.colour), reduced.alpha)
        yield from_planes(reduced, wanted)
