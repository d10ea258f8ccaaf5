"""A picture out of a file, in memory: its samples and what else the file said about it. numpy only."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.client.protocol import PixelFormat, Size
from server.images.metadata import icc as profiles

LAYOUT_OF = {1: "GRAY", 2: "GRAYA", 3: "RGB", 4: "RGBA"}
DEPTH_OF = {"uint8": "u8", "uint16": "u16", "float16": "f16", "float32": "f32"}


@dataclass
class Photo:
    """Samples and company. Everything but the samples is kept as the bytes that it is in the file."""

    samples: NDArray[Any]  # (H, W, S), contiguous; u8, u16, f16 or f32, S as in LAYOUT_OF
    icc: bytes | None = None  # colour profile, or None
    exif: bytes | None = None  # EXIF block beginning with its TIFF header, or None
    xmp: bytes | None = None  # XMP packet, or None
    dpi: tuple[float, float] | None = None  # horizontal and vertical resolution, or None
    notices: list[str] = field(default_factory=list)  # sentences about what could not be kept
    # Photoshop's image resources (with IPTC among them), each beginning with 8BIM, or None
    photoshop: bytes | None = None
    comments: list[bytes] = field(default_factory=list)  # a JPEG's comments
    # a PNG's other chunks (name, contents): text, colour, time
    chunks: list[tuple[bytes, bytes]] = field(default_factory=list)
    # a JPEG's other application segments (marker, contents)
    segments: list[tuple[int, bytes]] = field(default_factory=list)
    pieces: list[tuple[bytes, bytes]] = field(default_factory=list)  # a WebP's other chunks (name, contents)
    # whether the four samples are cyan, magenta, yellow and black; never so once a file has been read
    is_cmyk: bool = False
    is_linear: bool = False  # whether the samples are linear light although no profile says so

    @property
    def size(self) -> Size:
        """Return width and height in pixels."""
        return Size(self.samples.shape[1], self.samples.shape[0])

    @property
    def pixel_format(self) -> PixelFormat:
        """Return the protocol's format; linear only where the file says so, by its colour profile or its chunks."""
        linear = self.is_linear or (self.icc is not None and profiles.is_linear(self.icc))
        transfer = "linear" if linear else "perceptual"
        return PixelFormat(LAYOUT_OF[self.samples.shape[2]], DEPTH_OF[self.samples.dtype.name], transfer)

    def enlarged(self, pixels: bytes | bytearray, size: Size) -> Photo:
        """Return the photo with the pixels of its result of that size, everything else kept."""
        samples = np.frombuffer(pixels, self.samples.dtype).reshape(size.height, size.width, -1)
        return dataclasses.replace(self, samples=samples, notices=list(self.notices))


def turn_upright(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn samples (H, W, S) as an EXIF orientation (1…8) asks; others leave them as they are."""
    if orientation in (5, 6, 7, 8):
        samples = samples.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    return np.ascontiguousarray(samples)
