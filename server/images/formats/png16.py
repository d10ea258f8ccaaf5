"""PNG with 16 bits a sample, which Pillow reads with 8 and cannot write except in grey.

Reading asks Pillow's own decoder for the high and for the low bytes; writing needs no more than zlib.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}
FILTER_UP = 2
ROWS_AT_ONCE = 256


def read(reopen: Callable[[], Image.Image]) -> NDArray[np.uint16]:
    """Read all 16 bits.

    Args:
        reopen: opens the image, again at every call, without loading it.

    Returns:
        (H, W, S) with S from 1 to 4.
    """
    with reopen() as image:
        raw_mode = _raw_mode(image)
        if raw_mode == "I;16B":
            return np.asarray(image).astype(np.uint16)[:, :, None]
    if raw_mode == "LA;16B":  # two samples of 16 bits lie as four of 8 bits do
        both = _decode(reopen, "RGBA")
        return np.ascontiguousarray(both).view(">u2").astype(np.uint16)
    high, low = (_decode(reopen, raw_mode[:-1] + order).astype(np.uint16) for order in "BL")
    return high * 256 + low


def _raw_mode(image: Image.Image) -> str:
    tiles = getattr(image, "tile", [])
    return str(tiles[0].args) if tiles else ""


def _decode(reopen: Callable[[], Image.Image], raw_mode: str) -> NDArray[np.uint8]:
    with reopen() as image:
        file: Any = image
        file.tile = [tile._replace(args=raw_mode) for tile in file.tile]
        return np.asarray(image)


def write(file: IO[bytes], samples: NDArray[np.uint16], chunks: list[tuple[bytes, bytes]]) -> None:
    """Write a PNG.

    Args:
        file: where to.
        samples: (H, W, S), S from 1 to 4.
        chunks: further chunks, written before the pixels: (name, contents).
    """
    height, width, count = samples.shape
    file.write(b"\x89PNG\r\n\x1a\n")
    write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPE[count], 0, 0, 0))
    for name, contents in chunks:
        write_chunk(file, name, contents)
    packer = zlib.compressobj(6)
    above = np.zeros(width * count * 2, np.uint8)
    for top in range(0, height, ROWS_AT_ONCE):
        rows = samples[top : top + ROWS_AT_ONCE].astype(">u2").reshape(-1, width * count).view(np.uint8)
        filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
        filtered[:, 0] = FILTER_UP
        np.subtract(rows, np.concatenate([above[None], rows[:-1]]), out=filtered[:, 1:])
        above = rows[-1]
        write_chunk(file, b"IDAT", packer.compress(filtered.tobytes()))
    write_chunk(file, b"IDAT", packer.flush())
    write_chunk(file, b"IEND", b"")


def write_chunk(file: IO[bytes], name: bytes, contents: bytes) -> None:
    """Write one chunk with its length and checksum; an empty IDAT is left out."""
    if name == b"IDAT" and not contents:
        return
    file.write(struct.pack(">I", len(contents)) + name + contents + struct.pack(">I", zlib.crc32(name + contents)))
