"""PNG: its chunks, read and written as they are; Pillow and `png16` see the pixels alone.

As libpng does, a damaged chunk that is not needed is left out and a damaged one that is needed refuses the picture.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from server.client.protocol import Size
from server.errors import NotAnImage
from server.images import limits
from server.images.formats import png16, png_text
from server.images.formats.png_chunks import SIGNATURE, Chunks, alone, chunks_of
from server.images.metadata import exif
from server.images.photo import Photo

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by colour type
PALETTE = 3
DENSEST = 1032  # bytes that one byte of zlib's data can stand for
# What describes how the file or its old pixels are stored: made anew, or not true any more.
STORAGE = (b"tRNS", b"iDOT", b"acTL", b"fcTL", b"fdAT", b"iCCP", b"pHYs", b"eXIf", b"sBIT", b"bKGD")
GONE = {b"oFFs": "the offset", b"sCAL": "the scale", b"caBX": "the content credentials", b"hIST": "the histogram"}
KEPT = (b"gAMA", b"cHRM", b"sRGB", b"cICP", b"mDCV", b"mDCv", b"cLLI", b"cLLi", b"sPLT", b"pCAL", b"sTER", b"tIME")
METRE = 0.0254  # metres in an inch


def read(contents: bytes, name: str, max_pixels: int | None) -> Photo:
    """Read a PNG.

    Args:
        contents: of the file.
        name: what to call it in messages.
        max_pixels: refuse more, before decoding; None for no limit.

    Returns:
        The photo, as it lies.

    Raises:
        NotAnImage: a needed chunk is damaged.
    """
    file = chunks_of(contents, name)
    width, height, bits, colour_type, _, _, interlaced = struct.unpack(">IIBBBBB", file.head)
    if colour_type not in SAMPLES or bits not in (1, 2, 4, 8, 16):
        raise NotAnImage(f"{name} has a header that no PNG has (colour type {colour_type}, {bits} bits).")
    samples = SAMPLES[colour_type] if colour_type != PALETTE else 4
    stored = sum(map(len, file.data))
    densest = DENSEST * 8 * samples * max(1, bits / 8) / (bits * SAMPLES[colour_type])
    limits.check(name, Size(width, height), samples, max(1, bits // 8), max_pixels, stored, densest)
    pixels, notices = _pixels(file, bits, colour_type, bool(interlaced))
    photo = Photo(pixels, notices=file.notices + notices)
    for chunk, value in file.others:
        if chunk in GONE:
            photo.notices.append(f"PNG's {chunk.decode()}, {GONE[chunk]}, was left out: it is of the old pixels.")
        elif chunk not in STORAGE and _may_be_copied(chunk):
            photo.chunks.append((chunk, value))
        elif chunk not in STORAGE:
            photo.notices.append(f"PNG's chunk {chunk.decode('latin-1')} was left out: it depends on the old pixels.")
    if file.palette and colour_type != PALETTE:
        photo.notices.append("PNG's PLTE, a palette for screens of few colours, was left out.")
    if file.get(b"acTL") is not None:
        photo.notices.append("Only the first picture of the animation is enlarged.")
    _adapt(file, photo, bits, colour_type)
    photo.exif = (file.get(b"eXIf") or b"").removeprefix(exif.MARK) or None  # some write JPEG's mark before it
    photo.dpi = _density(file.get(b"pHYs"), photo)
    png_text.take(photo, file.get(b"iCCP"))
    photo.is_linear = _is_linear(file)
    return photo


def _may_be_copied(chunk: bytes) -> bool:
    return bool(chunk[3] & 0x20) or chunk in KEPT


def _pixels(file: Chunks, bits: int, colour_type: int, interlaced: bool) -> tuple[NDArray[Any], list[str]]:
    transparent = file.get(b"tRNS")
    data = b"".join(file.data)
    alpha = transparent if colour_type == PALETTE else None
    try:
        samples, mode = _decoded(alone(file, data, alpha), bits)
    except (OSError, SyntaxError):
        mended = _with_checksum(data, file.head, interlaced)
        if mended is None:
            raise
        samples, mode = _decoded(alone(file, mended, alpha), bits)
    notices = ["The palette was converted to RGB."] if mode == "P" else []
    if transparent is not None and colour_type in (0, 2) and len(transparent) >= 2 * SAMPLES[colour_type]:
        key = np.frombuffer(transparent, ">u2", SAMPLES[colour_type]) & ((1 << bits) - 1)
        scale = 1 if bits >= 8 else 255 // ((1 << bits) - 1)
        white = np.iinfo(samples.dtype).max
        seen = np.where((samples == (key * scale).astype(samples.dtype)).all(axis=2), 0, white).astype(samples.dtype)
        samples = np.concatenate([samples, seen[:, :, None]], axis=2)
    elif transparent is not None and colour_type != PALETTE:
        notices.append("PNG's tRNS was left out: it does not fit the colours.")
    return samples, notices


def _decoded(contents: bytes, bits: int) -> tuple[NDArray[Any], str]:
    if bits == 16:
        return png16.read(lambda: Image.open(io.BytesIO(contents))), ""
    with Image.open(io.BytesIO(contents)) as image:
        mode = image.mode
        if mode == "P":
            samples = np.asarray(image.convert("RGBA" if "transparency" in image.info else "RGB"))
        else:
            samples = np.asarray(image.convert("L") if mode in ("1", "I") else image)
    return (samples[:, :, None] if samples.ndim == 2 else samples), mode


def _with_checksum(data: bytes, head: bytes, interlaced: bool) -> bytes | None:
    """Mend the checksum behind zlib's data where all pixels are there; libpng does not look at it either."""
    width, height, bits, colour_type = struct.unpack_from(">IIBB", head)
    row = 1 + -(-width * bits * SAMPLES[colour_type] // 8)
    most = (row * height + 8 * height + 64) * (2 if interlaced else 1)
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        raw = unpacker.decompress(data[2:], most)
    except zlib.error:
        return None
    if not unpacker.eof:
        return None
    whole = data[: len(data) - len(unpacker.unused_data)]
    return whole + struct.pack(">I", zlib.adler32(raw))


def _adapt(file: Chunks, photo: Photo, bits: int, colour_type: int) -> None:
    """Keep the significant bits and the background, which depend on how colours are stored."""
    count = photo.samples.shape[2]
    significant, background = file.get(b"sBIT"), file.get(b"bKGD")
    if significant:
        photo.chunks.append(
            (b"sBIT", (significant + bytes([max(bits, 8)]))[:count] if count in (2, 4) else significant)
        )
        if len(photo.chunks[-1][1]) != count:
            photo.chunks.pop()
            photo.notices.append("PNG's sBIT was left out: it does not fit the colours.")
    if background is None:
        return
    if colour_type == PALETTE:
        entry = file.palette[3 * background[0] : 3 * background[0] + 3] if background else b""
        background = struct.pack(">3H", *entry) if len(entry) == 3 else b""
    elif bits < 8 and len(background) == 2:
        background = struct.pack(">H", (background[1] & ((1 << bits) - 1)) * 255 // ((1 << bits) - 1))
    if len(background) == (6 if count >= 3 else 2):
        photo.chunks.append((b"bKGD", background))
    else:
        photo.notices.append("PNG's bKGD was left out: it does not fit the colours.")


def _density(value: bytes | None, photo: Photo) -> tuple[float, float] | None:
    if value is None or len(value) != 9:
        return None
    across, down, unit = struct.unpack(">IIB", value)
    if unit == 1 and across and down:
        return across * METRE, down * METRE
    photo.chunks.append((b"pHYs", value))
    return None


def _is_linear(file: Chunks) -> bool:
    """Return whether cICP or gAMA declare linear light; a chunk that outranks them counts for more."""
    cicp, gamma = file.get(b"cICP"), file.get(b"gAMA")
    if cicp is not None and len(cicp) == 4:
        return cicp[1] == 8
    if file.get(b"iCCP") is not None or file.get(b"sRGB") is not None or gamma is None or len(gamma) != 4:
        return False
    return abs(int.from_bytes(gamma, "big") / 100_000 - 1) < 0.01


def write(photo: Photo, samples: NDArray[Any], file: IO[bytes]) -> list[str]:
    """Write a PNG.

    Args:
        photo: what is kept beside the pixels.
        samples: u8 or u16, (H, W, S).
        file: where to.

    Returns:
        Sentences about what could not be kept.
    """
    chunks, notices = png_text.chunks_of(photo)
    if photo.dpi is not None:
        chunks.append((b"pHYs", struct.pack(">IIB", *(round(each / METRE) for each in photo.dpi), 1)))
    if photo.exif is not None:
        chunks.append((b"eXIf", photo.exif))
    if samples.dtype == np.uint16:
        png16.write(file, samples, chunks)
        return notices
    packed = io.BytesIO()
    Image.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples).save(packed, "PNG")
    view = packed.getbuffer()
    behind_head = len(SIGNATURE) + 25
    file.write(view[:behind_head])
    for chunk, body in chunks:
        png16.write_chunk(file, chunk, body)
    file.write(view[behind_head:])
    return notices
