"""Pixels through a mask, in plain Python: rows of bytes, no numpy in the editor's interpreter. No Qt, no Krita.

Only the pixels at a mask's soft edge are computed; runs of 0 and 255 are copied.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator

from ..host.colour import CHANNELS, DEPTHS, ColourSpace

SOFT = re.compile(rb"[\x01-\xfe]+")
SELECTED = re.compile(rb"\xff+")
CODES = {"u8": "B", "u16": "H", "f16": "e", "f32": "f"}
FULL = {"u8": 255, "u16": 65535, "f16": 1, "f32": 1}


def through_mask(below: bytes | bytearray, above: bytes | bytearray, mask: bytes, space: ColourSpace) -> bytes:
    """Lay `above` over `below` where the mask says, weighting colours by their alpha.

    Args:
        below: pixels in the colour space; alpha is the last channel.
        above: as many pixels in the same space.
        mask: one byte a pixel; 0 keeps `below`, 255 takes `above`, exactly.
        space: the colour space of both.

    Returns:
        The mixed pixels.
    """
    step = space.bytes_per_pixel
    result = bytearray(below)
    for run in SELECTED.finditer(mask):
        result[run.start() * step : run.end() * step] = above[run.start() * step : run.end() * step]
    for start, pixels in _soft_pixels(mask, space, _mix, below, above):
        result[start : start + len(pixels)] = pixels
    return bytes(result)


def fade(pixels: bytes | bytearray, mask: bytes, space: ColourSpace) -> bytes:
    """Multiply the pixels' alpha (the last channel) by the mask; 255 keeps it exactly, 0 clears the pixel."""
    clear = bytes(len(pixels))
    step = space.bytes_per_pixel
    result = bytearray(clear)
    for run in SELECTED.finditer(mask):
        result[run.start() * step : run.end() * step] = pixels[run.start() * step : run.end() * step]
    for start, faded in _soft_pixels(
        mask, space, lambda _, values, share: [*values[:-1], values[-1] * share], clear, pixels
    ):
        result[start : start + len(faded)] = faded
    return bytes(result)


Mixer = Callable[[list[float], list[float], float], list[float]]


def _soft_pixels(
    mask: bytes, space: ColourSpace, mix: Mixer, below: bytes | bytearray, above: bytes | bytearray
) -> Iterator[tuple[int, bytes]]:
    """Yield (offset in bytes, mixed pixels) for each run of the mask that is neither 0 nor 255."""
    depth, channels, step = DEPTHS[space.depth], CHANNELS[space.model], space.bytes_per_pixel
    code, limit = CODES[depth], FULL[depth]
    for run in SOFT.finditer(mask):
        first, count = run.start() * step, (run.end() - run.start()) * channels
        layout = f"<{count}{code}"
        low = struct.unpack_from(layout, below, first)
        high = struct.unpack_from(layout, above, first)
        mixed: list[float] = []
        for index, share in enumerate(run.group()):
            at = slice(index * channels, (index + 1) * channels)
            mixed += mix(list(low[at]), list(high[at]), share / 255)
        samples = [min(limit, max(0, round(value))) for value in mixed] if depth[0] == "u" else mixed
        yield first, struct.pack(layout, *samples)


def _mix(below: list[float], above: list[float], share: float) -> list[float]:
    alpha = below[-1] * (1 - share) + above[-1] * share
    if alpha == 0:
        return [*above[:-1], 0]
    weight = above[-1] * share / alpha
    return [low + (high - low) * weight for low, high in zip(below[:-1], above[:-1], strict=True)] + [alpha]
