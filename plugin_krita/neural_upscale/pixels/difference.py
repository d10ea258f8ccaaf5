"""Sums of samples in plain Python, without numpy: rows of bytes as long integers. No Qt, no Krita."""

from __future__ import annotations

import struct

PIECE = 1 << 20  # samples at a time, so that the intermediate numbers stay small
CODES = {"f16": "e", "f32": "f"}
LARGEST = {"f16": 65504.0, "f32": 3.4e38}
# The byte above a sample is 1 where the sum is within the sample's range, 0 below and 2 above it.
WITHIN = bytes([0, 255]) + bytes(254)
ABOVE = bytes([0, 0, 255]) + bytes(253)

Bytes = bytes | bytearray | memoryview


def shifted(base: Bytes, plus: Bytes, minus: Bytes, depth: str) -> bytearray:
    """Return `base + plus − minus`, sample by sample, clipped to what the depth holds.

    Args:
        base: samples, little-endian.
        plus: as many samples.
        minus: as many samples.
        depth: "u8", "u16", "f16" or "f32".

    Returns:
        As many samples.
    """
    step = PIECE * {"u8": 1, "u16": 2, "f16": 2, "f32": 4}[depth]
    views = [memoryview(each) for each in (base, plus, minus)]
    result = bytearray()
    for start in range(0, len(views[0]), step):
        low, more, less = (bytes(each[start : start + step]) for each in views)
        result += _floats(low, more, less, depth) if depth in CODES else _integers(low, more, less, step // PIECE)
    return result


def _integers(base: bytes, plus: bytes, minus: bytes, width: int) -> bytes:
    """Add samples of `width` bytes all at once, each in twice its width and one range too large, so never negative."""
    lane = 2 * width
    count = len(base) // width
    offset = int.from_bytes((bytes(width) + b"\x01" + bytes(width - 1)) * count, "little")
    total = _widened(base, width) + _widened(plus, width) + offset - _widened(minus, width)
    sums = total.to_bytes(lane * count, "little")
    ranges = sums[width::lane]
    within = int.from_bytes(ranges.translate(WITHIN), "little")
    above = int.from_bytes(ranges.translate(ABOVE), "little")
    result = bytearray(len(base))
    for place in range(width):
        low = int.from_bytes(sums[place::lane], "little")
        result[place::width] = (low & within | above).to_bytes(count, "little")
    return bytes(result)


def _widened(samples: bytes, width: int) -> int:
    wide = bytearray(2 * len(samples))
    for place in range(width):
        wide[place :: 2 * width] = samples[place::width]
    return int.from_bytes(wide, "little")


def _floats(base: bytes, plus: bytes, minus: bytes, depth: str) -> bytes:
    layout = f"<{len(base) // struct.calcsize(CODES[depth])}{CODES[depth]}"
    limit = LARGEST[depth]
    terms = zip(*(struct.unpack(layout, each) for each in (base, plus, minus)), strict=True)
    return struct.pack(layout, *(min(limit, max(-limit, low + more - less)) for low, more, less in terms))
