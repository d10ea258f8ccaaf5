"""How a picture is cut: bands of whole rows, tiles within a band. Integers only; knows no pixels and no device.

A tile is fed with `halo` pixels of context on each side. Where the context leaves the picture it is mirrored, as often
as needed, so that every picture counts as extended without end and a tile may also be padded to a common size: what
lies more than `halo` away from its own pixels cannot be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.client.geometry import Region

LOWEST_BAND = 48  # rows; what the host holds of a very wide picture is in proportion
LEAST_LENGTH = 512  # pixels of the long side, from which on a picture counts as thin
LONG_TILE = 1024  # pixels of a thin picture in a tile
GAIN = 4  # that is needed: the periodic form does not run on the fastest engine
GRAIN = 16  # pixels; tile sides are multiples of it, so that tiles of different requests share batches


@dataclass(frozen=True)
class Tile:
    """A piece of work: the region it is responsible for, and the width and height (≥ the region's) it is padded to."""

    region: Region
    width: int
    height: int


def plan_bands(width: int, height: int, tile: int, band_pixels: int) -> list[Region]:
    """Cut a picture into bands of full width.

    Args:
        width: picture width in pixels, ≥ 1.
        height: picture height in pixels, ≥ 1.
        tile: the largest tile side in pixels, a multiple of GRAIN.
        band_pixels: how many pixels a band should hold at most; it is never lower than LOWEST_BAND rows all the same.

    Returns:
        Bands from top to bottom. The first two are lower, because a client waits for the first before it sees a pixel,
        and for the second before it sees the end of the first; the height of every band but the last is a multiple of
        GRAIN.
    """
    lead = _rows(width, tile, band_pixels // 2)
    if height <= 2 * lead:
        return _split(width, 0, height, lead)
    first = [Region(0, top, width, lead) for top in (0, lead)]
    return first + _split(width, 2 * lead, height, _rows(width, tile, band_pixels))


def _rows(width: int, tile: int, band_pixels: int) -> int:
    rows = max(LOWEST_BAND, band_pixels // width // GRAIN * GRAIN)
    return rows // tile * tile if rows > tile else rows


def _split(width: int, top: int, bottom: int, rows: int) -> list[Region]:
    """Cut rows `top` … `bottom` into bands of one height, at most `rows`; the last may be lower."""
    count = -(-(bottom - top) // rows)
    step = _round_up(-(-(bottom - top) // count))
    return [Region(0, start, width, min(step, bottom - start)) for start in range(top, bottom, step)]


def thin_periods(width: int, height: int, halo: int) -> tuple[int, int]:
    """Return how many columns and rows are a period of the mirrored picture, where computing that is far cheaper.

    Args:
        width: picture width in pixels.
        height: picture height in pixels.
        halo: pixels of context that a tile would need on each side.

    Returns:
        For a thin picture, the period along its short side, and 0 for the long one; else 0 and 0.
    """
    short, long = sorted((width, height))
    period = 2 * short
    if long < LEAST_LENGTH or period * GAIN > _round_up(short) + 2 * halo:
        return 0, 0
    return (period, 0) if width < height else (0, period)


def plan_tiles(band: Region, tile: int) -> list[Tile]:
    """Cut a band into tiles of one size, at most `tile` on each side; row by row, left to right."""
    width, height = _side(band.width, tile), _side(band.height, tile)
    return [
        Tile(Region(left, top, min(width, band.right - left), min(height, band.bottom - top)), width, height)
        for top in range(band.y, band.bottom, height)
        for left in range(band.x, band.right, width)
    ]


def _side(extent: int, tile: int) -> int:
    count = -(-extent // tile)
    return _round_up(-(-extent // count))


def _round_up(pixels: int) -> int:
    return -(-pixels // GRAIN) * GRAIN
