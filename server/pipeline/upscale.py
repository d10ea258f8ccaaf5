"""One picture from rows of samples to rows of samples, band after band. numpy only; the tiles run elsewhere.

While a band's tiles are on the device, the next band is cut, and each tile is put in its place as soon as it has run.
The next band is handed over when the last one has run, before anything else is done, so that the device does not wait.
The correction of drifted colours looks a few rows ahead: a band's last rows are held back until the band below has run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.client.geometry import Region
from server.client.protocol import SCALE, PixelFormat, Size
from server.pipeline.blending import fade
from server.pipeline.job import Job, QueuedTile
from server.pipeline.model_key import ModelKey
from server.pipeline.tiling import LONG_TILE, Tile, plan_bands, plan_tiles, thin_periods
from server.pixels import colour_correction, neutral, transfer
from server.pixels.colour_correction import Comparison
from server.pixels.layouts import Planes, from_planes, transparent_up_to
from server.pixels.prepare import PreparedRows, ReadRows, enlarge_alpha, enlarge_excess, prepare_rows
from server.pixels.resample import REACH

HELD_BACK = colour_correction.REACH * colour_correction.CELL  # rows of the input; fewer than any band but the last has
ROWS_AT_ONCE = 16  # of a correction: it is as large as what it corrects


@dataclass(frozen=True)
class Picture:
    """What is to be enlarged: size, format, and a way to read its rows."""

    size: Size
    pixel_format: PixelFormat
    read_rows: ReadRows


@dataclass(frozen=True)
class _Cut:
    """A band cut into tiles, with the pixels of each."""

    band: Region
    prepared: PreparedRows
    tiles: list[Tile]
    pixels: list[NDArray[np.float32]]


@dataclass(frozen=True)
class _Run:
    """Rows that have run: colour (C, scale·H, scale·W), 0…1, and how far their cells drifted from the input."""

    band: Region
    prepared: PreparedRows
    colour: NDArray[np.float32]
    drifted: Comparison
    scale: int

    def parted(self) -> list[_Run]:
        """Cut off the last rows, which wait for the band below; they hold no more memory than they need."""
        border = self.band.height - HELD_BACK
        last = self._rows(border, self.band.height)
        return [self._rows(0, border), replace(last, colour=last.colour.copy())]

    def _rows(self, start: int, stop: int) -> _Run:
        """Return some of the rows, counted in pixels of the input; multiples of a cell."""
        band = Region(self.band.x, self.band.y + start, self.band.width, stop - start)
        cells = self.drifted.part(slice(start // colour_correction.CELL, stop // colour_correction.CELL))
        colour = self.colour[:, self.scale * start : self.scale * stop]
        return _Run(band, self.prepared, colour, cells, self.scale)


def context_of(key: ModelKey) -> int:
    """Return the rows above and below a band that its enlargement reads; where colour is missing, as many again."""
    return max(key.halo, REACH, neutral.REACH)


class BandUpscaler:
    """Enlarges one picture by the scale of one generator; iterate over `bands()`.

    The result's format is the picture's own, or another one of the same layout.
    """

    def __init__(self, picture: Picture, job: Job, key: ModelKey, result_format: PixelFormat | None = None) -> None:
        self._picture = picture
        self._job = job
        self._result_format = result_format or picture.pixel_format
        self._halo = context_of(key)
        self._scale = key.scale
        thin = (0, 0) if key.is_foreign else thin_periods(picture.size.width, picture.size.height, key.halo)
        self._periods = thin
        self._blend = key.blend
        self._spill: NDArray[np.float32] | None = None  # rows below the last band, for the next to fade in from
        self._context = tuple(0 if period else key.halo for period in self._periods)  # across, down
        self._key = replace(key, is_periodic=any(self._periods))

    def bands(self) -> Iterator[NDArray[Any]]:
        """Yield the result's rows from top to bottom, as samples (rows, scale·W, S) of the result's format.

        Whatever the job raises passes through: the device failed, the client left, the server ends.
        """
        plan = self._job.plan(self._key)
        size = self._picture.size
        tile_side = LONG_TILE if any(self._periods) else plan.tile
        band_pixels = plan.band_pixels * SCALE**2 // max(SCALE, self._scale) ** 2  # the result is what takes memory
        bands = deque(plan_bands(size.width, size.height, tile_side, band_pixels))
        waiting: _Run | None = None  # the last rows that have run; they wait for the band below
        above: Comparison | None = None  # how far the rows above the waiting ones drifted
        current: _Cut | None = self._cut(bands.popleft(), tile_side)
        queued = self._submit(current)
        while current is not None:
            following = self._cut(bands.popleft(), tile_side) if bands else None
            colour = self._room(current)
            for tile in current.tiles:
                result = self._job.collect([queued.popleft()])[0]  # let go of one by one: together they are large
                if not queued:
                    queued = self._submit(following)
                self._place(current, tile, result, colour)
            del result
            if self._blend:
                border = self._scale * current.band.height
                self._spill, colour = colour[:, border:].copy(), colour[:, :border]
            run = self._compare(current, colour)
            parts = [run] if following is None else run.parted()
            del colour, run  # else two would be held when the next one gets its room
            current = following
            for part in parts:
                if waiting is not None:
                    yield self._finish(waiting, above, part.drifted)
                    above = waiting.drifted
                waiting = part
            del part, parts
        if waiting is not None:
            yield self._finish(waiting, above, None)

    def _cut(self, band: Region, tile_side: int) -> _Cut:
        size, halo = self._picture.size, self._halo
        tiles = plan_tiles(band, tile_side)
        bottom = tiles[-1].region.y + tiles[-1].height
        prepared = prepare_rows(
            self._picture.read_rows, (size.width, size.height), band.y - halo, bottom + halo,
            self._picture.pixel_format, halo,
        )  # fmt: skip
        (across, down), (columns, rows) = self._context, self._periods
        pixels = [
            prepared.cut(
                tile.region.x - across, tile.region.y - down, columns or tile.width + 2 * across,
                rows or tile.height + 2 * down, (size.width, size.height),
            )
            for tile in tiles
        ]  # fmt: skip
        return _Cut(band, prepared, tiles, pixels)

    def _submit(self, cut: _Cut | None) -> deque[QueuedTile]:
        if cut is None:
            return deque()
        queued = deque(self._job.submit(self._key, cut.pixels))
        cut.pixels.clear()  # the queue has them, and lets each go when it has run
        return queued

    def _room(self, cut: _Cut) -> NDArray[np.float32]:
        rows = self._scale * (cut.band.height + self._blend)
        room = np.empty((len(cut.prepared.clipped), rows, self._scale * cut.band.width), np.float32)
        if self._spill is not None:
            room[:, : self._spill.shape[1]] = self._spill
        return room

    def _place(self, cut: _Cut, tile: Tile, result: NDArray[np.float32], colour: NDArray[np.float32]) -> None:
        """Put a tile's result, without its context, where it belongs in the band."""
        (across, down), region, scale = self._context, tile.region, self._scale
        left, top = scale * region.x, scale * (region.y - cut.band.y)
        size = self._picture.size
        width = scale * min(region.width + self._blend, size.width - region.x)
        height = scale * min(region.height + self._blend, size.height - region.y)
        piece = result[:, scale * down : scale * down + height, scale * across : scale * across + width]
        place = colour[:, top : top + height, left : left + width]
        piece = piece if len(colour) == 3 else piece.mean(axis=0, keepdims=True)
        if self._blend:
            fade(place, piece, scale * self._blend, from_left=region.x > 0, from_above=region.y > 0)
        else:
            place[...] = piece

    def _compare(self, cut: _Cut, colour: NDArray[np.float32]) -> _Run:
        band, prepared = cut.band, cut.prepared
        neutral.keep(prepared.clipped, band.y - prepared.top, colour)
        np.clip(colour, 0, 1, out=colour)  # after the mean, or grey would differ from a grey layout's
        before = prepared.clipped[:, band.y - prepared.top : band.bottom - prepared.top]
        return _Run(band, prepared, colour, colour_correction.compare(before, colour), self._scale)

    def _finish(self, run: _Run, above: Comparison | None, below: Comparison | None) -> NDArray[Any]:
        band = run.band
        self._correct(run, above, below)
        colour = run.colour
        excess = enlarge_excess(run.prepared, band.y, band.height, self._scale)
        if excess is not None:
            colour += excess
        alpha = enlarge_alpha(run.prepared, band.y, band.height, self._scale)
        if alpha is not None and run.prepared.hidden is not None:
            self._show_hidden(run, alpha)
        if self._result_format.transfer == "linear":
            colour = transfer.to_linear(colour)
        return from_planes(Planes(colour, alpha), self._result_format)

    def _correct(self, run: _Run, above: Comparison | None, below: Comparison | None) -> None:
        parts = [run.drifted]
        lead = 0
        if above is not None:
            parts.insert(0, above.part(slice(-colour_correction.REACH, None)))
            lead = parts[0].means.shape[1]
        if below is not None:
            parts.append(below.part(slice(colour_correction.REACH)))
        cells = colour_correction.correction(colour_correction.joined(parts))
        if cells is None:
            return
        first = lead * self._scale * colour_correction.CELL
        for top in range(0, run.colour.shape[1], ROWS_AT_ONCE):
            colour_correction.correct(run.colour[:, top : top + ROWS_AT_ONCE], cells, first + top, self._scale)
        neutral.keep(run.prepared.clipped, run.band.y - run.prepared.top, run.colour)

    def _show_hidden(self, run: _Run, alpha: NDArray[np.float32]) -> None:
        """Where the result is fully transparent, the colour is the input's own, however invisible."""
        hidden = run.prepared.hidden
        if hidden is None:
            return
        transparent = alpha <= transparent_up_to(self._result_format)
        rows = slice(run.band.y - run.prepared.top, run.band.bottom - run.prepared.top)
        nearest = hidden[:, rows].repeat(self._scale, axis=1).repeat(self._scale, axis=2)
        np.copyto(run.colour, nearest, where=transparent)
