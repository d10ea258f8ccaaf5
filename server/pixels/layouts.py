"""Bytes of a picture ↔ float planes: layouts and depths. numpy only.

Inside the server colour is always (C, H, W) float32 with C = 1 (grey) or 3 (red, green, blue), values as displayed,
1.0 = white; alpha is (H, W) float32, 1.0 = opaque.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.client.protocol import PixelFormat

DTYPES: dict[str, np.dtype[Any]] = {
    "u8": np.dtype("u1"),
    "u16": np.dtype("<u2"),
    "f16": np.dtype("<f2"),
    "f32": np.dtype("<f4"),
}
WHITE = {"u8": 255.0, "u16": 65535.0}
COLOUR = {"GRAY": [0], "GRAYA": [0], "RGB": [0, 1, 2], "RGBA": [0, 1, 2], "BGRA": [2, 1, 0]}
ALPHA = {"GRAYA": 1, "RGBA": 3, "BGRA": 3}
LARGEST_HALF, LARGEST_SINGLE = np.float32(65504.0), np.finfo(np.float32).max
ROWS_AT_ONCE = 16  # so that what lies between input and result stays in the processor's cache


@dataclass(frozen=True)
class Planes:
    """Colour (C, H, W) and, where the layout has it, alpha (H, W); float32."""

    colour: NDArray[np.float32]
    alpha: NDArray[np.float32] | None


def as_samples(body: bytes | bytearray | memoryview, width: int, pixel_format: PixelFormat) -> NDArray[Any]:
    """View whole rows of raw bytes as (H, W, samples) of the depth's type, without a copy."""
    dtype = DTYPES[pixel_format.depth]
    samples: NDArray[Any] = np.frombuffer(body, dtype)
    return samples.reshape(-1, width, pixel_format.bytes_per_pixel // dtype.itemsize)


def to_planes(samples: NDArray[Any], pixel_format: PixelFormat) -> Planes:
    """Turn samples (H, W, S) into planes; integers become 0…1, floats stay what they are."""
    alpha = ALPHA.get(pixel_format.layout)
    colour = _to_float(np.moveaxis(samples[:, :, COLOUR[pixel_format.layout]], 2, 0), pixel_format)
    return Planes(colour, None if alpha is None else _to_float(samples[:, :, alpha], pixel_format))


def from_planes(planes: Planes, pixel_format: PixelFormat) -> NDArray[Any]:
    """Turn planes into samples (H, W, S): integers are clipped to 0…1 and rounded, half floats to their range."""
    _, height, width = planes.colour.shape
    dtype = DTYPES[pixel_format.depth]
    samples = np.empty((height, width, pixel_format.bytes_per_pixel // dtype.itemsize), dtype)
    sources = dict(zip(COLOUR[pixel_format.layout], planes.colour, strict=True))
    if planes.alpha is not None:
        sources[ALPHA[pixel_format.layout]] = planes.alpha
    for top in range(0, height, ROWS_AT_ONCE):
        rows = slice(top, top + ROWS_AT_ONCE)
        for sample, plane in sources.items():
            samples[rows, :, sample] = _from_float(plane[rows], pixel_format)
    return samples


def transparent_up_to(pixel_format: PixelFormat) -> float:
    """Return the largest alpha that is stored as 0."""
    return 0.5 / WHITE.get(pixel_format.depth, np.inf)


def _to_float(samples: NDArray[Any], pixel_format: PixelFormat) -> NDArray[np.float32]:
    values: NDArray[np.float32] = np.ascontiguousarray(samples).astype(np.float32)
    white = WHITE.get(pixel_format.depth)
    if white is not None:
        values /= np.float32(white)
    return values


def _from_float(plane: NDArray[np.float32], pixel_format: PixelFormat) -> NDArray[Any]:
    white = WHITE.get(pixel_format.depth)
    if white is not None:
        scaled = np.clip(plane, 0.0, 1.0)
        scaled *= np.float32(white)
        return np.rint(scaled, out=scaled).astype(DTYPES[pixel_format.depth])
    largest = LARGEST_HALF if pixel_format.depth == "f16" else LARGEST_SINGLE
    return np.clip(plane, -largest, largest).astype(DTYPES[pixel_format.depth], copy=False)
