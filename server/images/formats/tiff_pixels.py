"""The pixels of one picture of a TIFF: its strips or tiles, decoded piece by piece, none larger than it may be.

zlib and LZMA are Python's own; libtiff, through Pillow, unpacks the bytes of LZW, PackBits and Zstandard; imagecodecs,
where it is installed, the rest. What Pillow reads as a whole (JPEG, fax, YCbCr, L*a*b*, palettes) does not come here.
"""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from server.client.protocol import Size
from server.errors import NotAnImage
from server.images.formats import codecs
from server.images.metadata.ifd import Source

NONE, ZLIB, LZMA = 1, (8, 32946), 34925
BY_LIBTIFF = {5: "LZW", 32773: "PackBits", 50000: "Zstandard"}
BY_CODECS = {
    34712: ("jpeg2k_decode", "JPEG 2000"), 33003: ("jpeg2k_decode", "JPEG 2000"), 33004: ("jpeg2k_decode", "JPEG 2000"),
    33005: ("jpeg2k_decode", "JPEG 2000"), 34887: ("lerc_decode", "LERC"), 50002: ("jpegxl_decode", "JPEG XL"),
    52546: ("jpegxl_decode", "JPEG XL"), 22610: ("jpegxr_decode", "JPEG XR"), 34934: ("jpegxr_decode", "JPEG XR"),
    50001: ("webp_decode", "WebP"), 34927: ("webp_decode", "WebP"), 34933: ("png_decode", "PNG"),
    34892: ("jpeg_decode", "lossless JPEG"),
}  # fmt: skip
HORIZONTAL, FLOATING = 2, 3  # predictors
PREDICTED = (5, *ZLIB, LZMA, 50000)  # compressions that heed one, as libtiff has it
UNSIGNED, FLOAT = 1, 3  # sample formats
SPARE = 1 << 16  # bytes: some writers fill the last piece up


@dataclass(frozen=True)
class Layout:
    """How the samples of a picture are stored."""

    size: Size  # of the picture
    samples: int  # of a pixel
    bits: int  # of a sample
    is_float: bool  # whether samples are floating point
    is_index: bool  # whether samples are places in a palette, which are not stretched
    order: str  # "<" or ">"
    compression: int  # TIFF's number
    predictor: int  # TIFF's number
    is_planar: bool  # whether each sample has pieces of its own
    is_reversed: bool  # whether the first pixel is in a byte's lowest bit
    piece: Size  # size of a strip or tile
    is_tiled: bool  # whether the pieces are tiles, which are stored whole at the border, too
    offsets: tuple[int, ...]  # of each piece
    counts: tuple[int, ...]  # bytes of each piece

    @property
    def in_piece(self) -> int:
        """Return the samples of a pixel that a piece holds."""
        return 1 if self.is_planar else self.samples

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return what a sample is in memory: whole numbers of other sizes are stretched to the next."""
        if self.is_float:
            return np.dtype(f"f{self.bits // 8}")
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16)


class _Inflater(Protocol):
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def read(source: Source, layout: Layout, name: str) -> NDArray[Any]:
    """Decode a picture.

    Args:
        source: the file.
        layout: how its samples are stored.
        name: what to call it in messages.

    Returns:
        (H, W, samples) of `layout.dtype`.

    Raises:
        NotAnImage: a piece is damaged, or its compression is not known.
    """
    result = np.zeros((layout.size.height, layout.size.width, layout.samples), layout.dtype)
    across = -(-layout.size.width // layout.piece.width)
    down = -(-layout.size.height // layout.piece.height)
    for index in range(across * down * (layout.samples if layout.is_planar else 1)):
        plane, place = divmod(index, across * down)
        top, left = place // across * layout.piece.height, place % across * layout.piece.width
        if index >= len(layout.offsets) or not layout.counts[index]:
            continue  # TIFF's way to say that nothing but zeros is there
        rows = layout.piece.height if layout.is_tiled else min(layout.piece.height, layout.size.height - top)
        packed = source.read(layout.offsets[index], layout.counts[index])
        piece = _piece(packed, layout, rows, name)
        target = result[top : top + rows, left : left + layout.piece.width]
        target = target[:, :, plane : plane + 1] if layout.is_planar else target
        target[...] = piece[: target.shape[0], : target.shape[1]]
    return result


def _piece(packed: bytes, layout: Layout, rows: int, name: str) -> NDArray[Any]:
    """Decode one piece to (rows, columns, samples)."""
    columns, count = layout.piece.width, layout.in_piece
    if layout.compression in BY_CODECS:
        return _by_codecs(packed, layout, (rows, columns, count), name)
    row_bytes = -(-columns * count * layout.bits // 8)
    data = _unpacked(packed, layout, row_bytes, rows, name)
    if len(data) < row_bytes * rows:
        raise NotAnImage(f"{name} is damaged: a piece has {len(data)} bytes, expected {row_bytes * rows}; get it anew.")
    shape = (rows, columns, count)
    if layout.predictor == FLOATING and layout.is_float:
        return _from_differences_of_bytes(data, layout, shape)
    if layout.bits in (8, 16, 32, 64):
        stored = np.dtype(f"{layout.order}u{layout.bits // 8}")
        samples = np.frombuffer(data, stored, rows * columns * count).reshape(shape)
        if layout.predictor == HORIZONTAL:  # of floating point, too: differences of what its bits are as whole numbers
            samples = np.cumsum(samples, axis=1, dtype=stored.newbyteorder("="))
        return samples.view(samples.dtype.str.replace("u", "f")) if layout.is_float else samples
    return _from_bits(data, layout, shape, row_bytes)


def _unpacked(packed: bytes, layout: Layout, row_bytes: int, rows: int, name: str) -> bytes:
    """Undo the compression, no further than the piece may be long."""
    most = row_bytes * rows
    if layout.is_reversed:
        packed = np.packbits(np.unpackbits(np.frombuffer(packed, np.uint8)), bitorder="little").tobytes()
    if layout.compression == NONE:
        return packed
    if layout.compression in ZLIB or layout.compression == LZMA:
        inflater: _Inflater = zlib.decompressobj() if layout.compression in ZLIB else lzma.LZMADecompressor()
        try:
            data = inflater.decompress(packed, most + SPARE + 1)
        except (zlib.error, lzma.LZMAError) as fault:
            raise NotAnImage(f"{name} is damaged ({fault}); get it anew.") from fault
        if len(data) > most + SPARE:
            width, height = layout.size.width, layout.size.height
            raise NotAnImage(f"{name} holds more data than its {width}×{height} pixels; save it anew.")
        return data
    if layout.compression not in BY_LIBTIFF:
        raise NotAnImage(f"{name} is compressed in a way that cannot be read ({layout.compression}); save it anew.")
    return unpacked_bytes(packed, layout.compression, row_bytes, rows)


def unpacked_bytes(packed: bytes, compression: int, row_bytes: int, rows: int) -> bytes:
    """Let libtiff unpack rows of bytes; `compression` is one of BY_LIBTIFF."""
    with Image.open(io.BytesIO(_as_bytes(packed, compression, row_bytes, rows))) as image:
        return image.tobytes()


def _as_bytes(packed: bytes, compression: int, row_bytes: int, rows: int) -> bytes:
    """Write a TIFF of one strip whose 8-bit grey pixels are the bytes of a piece."""
    tags = [(256, row_bytes), (257, rows), (258, 8), (259, compression), (262, 1), (273, 8), (277, 1), (278, rows),
            (279, len(packed))]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(packed)) + packed + struct.pack("<H", len(tags)) + directory + bytes(4)


def _by_codecs(packed: bytes, layout: Layout, shape: tuple[int, int, int], name: str) -> NDArray[Any]:
    function, what = BY_CODECS[layout.compression]
    samples = codecs.decoded(function, packed, name, f"a TIFF compressed by {what}")
    if samples.size != shape[0] * shape[1] * shape[2] or samples.dtype != layout.dtype:
        raise NotAnImage(f"{name} is damaged: a piece has the shape {samples.shape}, expected {shape}; get it anew.")
    return samples.reshape(shape)


def _from_differences_of_bytes(data: bytes, layout: Layout, shape: tuple[int, int, int]) -> NDArray[Any]:
    """Undo the predictor of floating point (TIFF note 3): differences of bytes, those of all samples' highest first."""
    rows, columns, count = shape
    width = layout.bits // 8
    flat = np.frombuffer(data, np.uint8, rows * columns * count * width).reshape(rows, columns * width, count)
    whole = np.cumsum(flat, axis=1, dtype=np.uint8).reshape(rows, width, columns * count)
    return np.ascontiguousarray(whole.swapaxes(1, 2)).view(f">f{width}").reshape(shape)


def _from_bits(data: bytes, layout: Layout, shape: tuple[int, int, int], row_bytes: int) -> NDArray[Any]:
    """Take samples of 1 to 15 bits apart and stretch them to 8 or 16."""
    rows, columns, count = shape
    lines = np.frombuffer(data, np.uint8, rows * row_bytes).reshape(rows, row_bytes)
    ones = np.unpackbits(lines, axis=1)[:, : columns * count * layout.bits].reshape(rows, -1, layout.bits)
    values = np.zeros(ones.shape[:2], np.uint16)
    for bit in range(layout.bits):
        values = values * 2 + ones[:, :, bit]
    samples = values.reshape(shape)
    if layout.predictor == HORIZONTAL:
        samples = np.cumsum(samples, axis=1, dtype=np.uint16) & np.uint16((1 << layout.bits) - 1)
    white = (1 << layout.bits) - 1
    if layout.is_index:
        return samples.astype(layout.dtype)
    if layout.bits < 8:
        return (samples * (255 // white) if 255 % white == 0 else samples.astype(np.uint32) * 255 // white).astype(
            np.uint8
        )
    return codecs.stretched(samples, layout.bits)
