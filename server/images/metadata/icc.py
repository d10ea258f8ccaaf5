"""Colour profiles (ICC.1:2010): whether one can be used, whether it is linear, and small ones made of what PNG tells.

Only what is needed of a profile is read; no colours are converted here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SPACES = {b"RGB ": "RGB", b"GRAY": "GRAY", b"CMYK": "CMYK"}
USABLE = (b"scnr", b"mntr", b"prtr", b"spac")
D50 = (0.9642, 1.0, 0.8249)
SRGB_PRIMARIES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)  # white, red, green, blue as x, y
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
# ISO/IEC 23091-2 (ITU-T H.273), as cICP has it: colour primaries, in the order of SRGB_PRIMARIES.
PRIMARIES = {
    1: SRGB_PRIMARIES,
    9: (0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    12: (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
SRGB, LINEAR, PQ, HLG, BT709 = 13, 8, 16, 18, (1, 6, 14, 15)
POINTS = 4096


def space_of(icc: bytes) -> str | None:
    """Return what colours a profile is for (RGB, GRAY, CMYK or its own word); None where it cannot be used."""
    if len(icc) < 132 or icc[36:40] != b"acsp" or icc[12:16] not in USABLE:
        return None
    size, count = struct.unpack_from(">I", icc)[0], struct.unpack_from(">I", icc, 128)[0]
    if not 132 < size <= len(icc) or not 0 < count <= 200 or 132 + 12 * count > len(icc):
        return None
    for _, offset, length in _tags(icc):
        if offset + length > len(icc):
            return None
    return SPACES.get(icc[16:20], icc[16:20].decode("latin-1").strip())


def _tags(icc: bytes) -> list[tuple[bytes, int, int]]:
    (count,) = struct.unpack_from(">I", icc, 128)
    return [struct.unpack_from(">4sII", icc, 132 + 12 * index) for index in range(min(count, 200))]


def _curve(icc: bytes, names: Sequence[bytes]) -> bytes | None:
    try:
        for name, offset, length in _tags(icc):
            if name in names:
                return icc[offset : offset + length]
    except struct.error:
        pass
    return None


def is_linear(icc: bytes) -> bool:
    """Return whether a profile's red or grey curve is a straight line (ICC.1:2010, 10.5 and 10.15)."""
    curve = _curve(icc, (b"rTRC", b"kTRC"))
    try:
        return curve is not None and _is_straight(curve)
    except struct.error:
        return False


def _is_straight(curve: bytes) -> bool:
    if curve[:4] == b"curv":
        (points,) = struct.unpack_from(">I", curve, 8)
        if points == 0:
            return True
        values = struct.unpack_from(f">{min(points, 4096)}H", curve, 12)
        if points == 1:
            return bool(abs(values[0] / 256 - 1.0) < 0.01)
        return bool(max(abs(value / 65535 - index / (points - 1)) for index, value in enumerate(values)) < 0.002)
    if curve[:4] == b"para":
        kind, gamma = struct.unpack_from(">H2xi", curve, 8)
        return bool(kind == 0 and abs(gamma / 65536 - 1.0) < 0.01)
    return False


def for_rgb(grey: bytes) -> bytes | None:
    """Make of a grey profile one for RGB in which equal values look the same; None where it has no curve."""
    curve = _curve(grey, (b"kTRC",))
    return None if curve is None else _profile("Grey as RGB", SRGB_PRIMARIES, curve)


def of_gamma(gamma: float, primaries: tuple[float, ...] | None, count: int) -> bytes:
    """Return a profile of what PNG's gAMA and cHRM tell.

    Args:
        gamma: exponent from values to light; 1 for linear light.
        primaries: white, red, green, blue as x, y; sRGB's without.
        count: colours of a pixel, 1 or 3.

    Returns:
        The profile.
    """
    curve = struct.pack(">4s4xHHi", b"para", 0, 0, round(gamma * 65536))
    return _profile(f"Gamma {gamma:.3g}", primaries or SRGB_PRIMARIES, curve, count)


def srgb(primaries: tuple[float, ...] | None, count: int) -> bytes:
    """Make a profile with sRGB's curve, and sRGB's primaries where no others are given."""
    return _profile("sRGB", primaries or SRGB_PRIMARIES, _srgb_curve(), count)


def _srgb_curve() -> bytes:
    values = [round(each * 65536) for each in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)]
    return struct.pack(">4s4xHH5i", b"para", 3, 0, *values)


def of_cicp(cicp: bytes, count: int) -> bytes | None:
    """Make a profile of PNG's cICP, which it holds as well (ICC.1:2022); None where its numbers are not known."""
    if len(cicp) != 4 or cicp[0] not in PRIMARIES or cicp[2:] != b"\0\1":  # RGB, of the whole range
        return None
    transfer = cicp[1]
    if transfer == SRGB:
        curve = _srgb_curve()
    elif transfer == LINEAR:
        curve = struct.pack(">4s4xHHi", b"para", 0, 0, 65536)
    elif transfer in (PQ, HLG, *BT709):
        curve = _sampled(transfer)
    else:
        return None
    name = {PQ: "PQ", HLG: "HLG", LINEAR: "linear", SRGB: "sRGB"}.get(transfer, "BT.709")
    told = struct.pack(">4s4x4B", b"cicp", *cicp)
    return _profile(f"CICP {cicp[0]}/{transfer} {name}", PRIMARIES[cicp[0]], curve, count, told)


def _sampled(transfer: int) -> bytes:
    """Sample a transfer function from values to light (ITU-R BT.2100, BT.709)."""
    value = np.linspace(0, 1, POINTS)
    if transfer == PQ:
        root = value ** (1 / 78.84375)
        light = (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    elif transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
    else:
        light = np.where(value < 0.081, value / 4.5, ((value + 0.099) / 1.099) ** (1 / 0.45))
    return struct.pack(">4s4xI", b"curv", POINTS) + np.rint(light * 65535).astype(">u2").tobytes()


def _profile(name: str, primaries: Sequence[float], curve: bytes, count: int = 3, cicp: bytes | None = None) -> bytes:
    """Write a display profile of a matrix and one curve, version 4."""
    text = name.encode("utf-16-be")
    words = struct.pack(">4s4xIIHHII", b"mluc", 1, 12, 0x656E, 0x5553, len(text), 28) + text
    tags = [(b"desc", words), (b"cprt", words), (b"wtpt", _xyz(D50))]
    if count == 1:
        tags.append((b"kTRC", curve))
    else:
        columns = _matrix(primaries)
        tags += [(colour + b"XYZ", _xyz(columns[:, index].tolist())) for index, colour in enumerate((b"r", b"g", b"b"))]
        tags += [(colour + b"TRC", curve) for colour in (b"r", b"g", b"b")]
    if cicp is not None:
        tags.append((b"cicp", cicp))
    table, body, placed = b"", b"", {}
    start = 132 + 12 * len(tags)
    for tag, contents in tags:
        if contents not in placed:
            placed[contents] = start + len(body)
            body += contents + b"\0" * (-len(contents) % 4)
        table += struct.pack(">4sII", tag, placed[contents], len(contents))
    space = b"GRAY" if count == 1 else b"RGB "
    head = struct.pack(">I4sI4s4s4s12s4s", start + len(body), b"", 0x04400000, b"mntr", space, b"XYZ ", b"", b"acsp")
    head += bytes(28) + struct.pack(">3i", *(round(each * 65536) for each in D50))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(values: Sequence[float]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(float(each) * 65536) for each in values))


def _matrix(primaries: Sequence[float]) -> NDArray[np.float64]:
    """Return the columns of red, green and blue as XYZ, adapted to D50 (Bradford)."""
    white, *colours = [
        np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in zip(primaries[::2], primaries[1::2], strict=True)
    ]
    columns = np.stack(colours, axis=1)
    columns = columns * np.linalg.solve(columns, white)
    scale = (BRADFORD @ np.array(D50)) / (BRADFORD @ white)
    adapted: NDArray[np.float64] = np.linalg.inv(BRADFORD) @ np.diag(scale) @ BRADFORD @ columns
    return adapted
