"""A picture out of a file, in memory: its samples and what else the file said about it. numpy only."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.client.protocol import PixelFormat, Size

LAYOUT_OF = {1: "GRAY", 2: "GRAYA", 3: "RGB", 4: "RGBA"}
DEPTH_OF = {"uint8": "u8", "uint16": "u16", "float16": "f16", "float32": "f32"}
UPRIGHT = 1  # EXIF's orientation of a picture that is stored as it is shown
XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>))\d")


@dataclass
class Photo:
    """Samples and company.

    Attributes:
        samples: (H, W, S), contiguous; u8, u16, f16 or f32, S as in LAYOUT_OF.
        icc: colour profile, or None.
        exif: EXIF block beginning with its TIFF header, without orientation, or None.
        xmp: XMP packet, or None.
        dpi: horizontal and vertical resolution, or None.
        notices: sentences about what could not be kept.
    """

    samples: NDArray[Any]
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    notices: list[str] = field(default_factory=list)

    @property
    def size(self) -> Size:
        """Return width and height in pixels."""
        return Size(self.samples.shape[1], self.samples.shape[0])

    @property
    def pixel_format(self) -> PixelFormat:
        """Return the protocol's format; linear only where the colour profile says so."""
        transfer = "linear" if self.icc and icc_is_linear(self.icc) else "perceptual"
        return PixelFormat(LAYOUT_OF[self.samples.shape[2]], DEPTH_OF[self.samples.dtype.name], transfer)

    def enlarged(self, pixels: bytes | bytearray) -> Photo:
        """Return the photo with the pixels of its ×2 result, everything else kept."""
        height, width, count = self.samples.shape
        samples = np.frombuffer(pixels, self.samples.dtype).reshape(2 * height, 2 * width, count)
        return Photo(samples, self.icc, self.exif, self.xmp, self.dpi, list(self.notices))


def turn_upright(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn samples (H, W, S) as an EXIF orientation (1…8) asks; others leave them as they are."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return np.ascontiguousarray(samples)


def reset_xmp(xmp: bytes | None) -> bytes | None:
    """Set an XMP packet's orientation to upright."""
    return None if xmp is None else XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def icc_is_linear(icc: bytes) -> bool:
    """Return whether a profile's red or grey curve is a straight line (ICC.1:2010, 10.5 and 10.15)."""
    try:
        (count,) = struct.unpack_from(">I", icc, 128)
        for index in range(min(count, 100)):
            name, offset, length = struct.unpack_from(">4sII", icc, 132 + 12 * index)
            if name in (b"rTRC", b"kTRC"):
                return _curve_is_straight(icc[offset : offset + length])
    except struct.error:
        pass
    return False


def _curve_is_straight(curve: bytes) -> bool:
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
