"""Writes image files of many kinds by hand, down to the chunk, segment and directory, without the code under test."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" %s>%s</rdf:Description>'
    b"</rdf:RDF></x:xmpmeta>"
)


def picture(height: int = 40, width: int = 56, count: int = 3, white: int = 255) -> NDArray[Any]:
    """Make a smooth picture (H, W, count) of whole numbers."""
    down, across = np.mgrid[0:height, 0:width]
    planes = [(down * (3 + each) + across * (2 + each)) % 97 / 96 for each in range(count)]
    return np.rint(np.stack(planes, axis=2) * white).astype(np.uint8 if white < 256 else np.uint16)


def chunk(name: bytes, body: bytes, *, damaged: bool = False) -> bytes:
    checksum = zlib.crc32(name + body) ^ damaged
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", checksum)


def png(
    rows: list[bytes], width: int, bits: int, colour_type: int, *extra: bytes, spoil: bytes = b"", adler: bool = False
) -> bytes:
    """Write a PNG of packed rows, with `extra` whole chunks before the pixels; `spoil` names a chunk to damage."""
    data = bytearray(zlib.compress(b"".join(b"\0" + row for row in rows)))
    if adler:
        data[-1] ^= 1
    head = struct.pack(">IIBBBBB", width, len(rows), bits, colour_type, 0, 0, 0)
    parts = [
        chunk(b"IHDR", head, damaged=spoil == b"IHDR"),
        *extra,
        chunk(b"IDAT", bytes(data), damaged=spoil == b"IDAT"),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def rgb_png(*extra: bytes, **options: Any) -> bytes:
    return png([row.tobytes() for row in picture()], 56, 8, 2, *extra, **options)


def jpeg(
    samples: NDArray[Any] | None = None, *segments: tuple[int, bytes], behind: bytes = b"", **options: Any
) -> bytes:
    """Write a JPEG with application segments behind its first one, and `behind` after its end."""
    file = io.BytesIO()
    samples = picture() if samples is None else samples
    mode = options.pop("mode", None)
    image = Image.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples)
    image = Image.frombytes(mode, image.size, samples.tobytes()) if mode else image
    image.save(file, "JPEG", **({"quality": 95, "subsampling": 0} | options))
    contents = file.getvalue()
    start = 4 + struct.unpack_from(">H", contents, 4)[0] if contents[3] == 0xE0 else 2
    added = b"".join(struct.pack(">BBH", 255, marker, len(body) + 2) + body for marker, body in segments)
    return contents[:start] + added + contents[start:] + behind


Value = tuple[int, int, int, bytes]  # tag, type, count, bytes
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8, 11: 4, 12: 8}


def short(tag: int, *values: int, order: str = "<") -> Value:
    return tag, 3, len(values), struct.pack(f"{order}{len(values)}H", *values)


def long(tag: int, *values: int, order: str = "<") -> Value:
    return tag, 4, len(values), struct.pack(f"{order}{len(values)}I", *values)


def text(tag: int, words: str | bytes) -> Value:
    contents = (words.encode() if isinstance(words, str) else words) + b"\0"
    return tag, 2, len(contents), contents


def directory(values: list[Value], place: int, order: str = "<", following: int = 0) -> bytes:
    values = sorted(values)
    head, body = struct.pack(order + "H", len(values)), b""
    behind = place + 2 + 12 * len(values) + 4
    for tag, kind, count, contents in values:
        head += struct.pack(order + "HHI", tag, kind, count)
        if len(contents) <= 4:
            head += contents.ljust(4, b"\0")
        else:
            head += struct.pack(order + "I", behind + len(body))
            body += contents + b"\0" * (len(contents) % 2)
    return head + struct.pack(order + "I", following) + body


def exif(values: list[Value], inside: list[Value] = [], gps: list[Value] = [], order: str = "<") -> bytes:  # noqa: B006
    """Write an EXIF block; `inside` goes into its EXIF directory."""
    folders = [(tag, each) for tag, each in ((0x8769, inside), (0x8825, gps)) if each]
    first = values + [long(tag, 0, order=order) for tag, _ in folders]
    place = 8 + len(directory(first, 8, order))
    pieces, pointers = b"", []
    for tag, each in folders:
        pointers.append(long(tag, place + len(pieces), order=order))
        pieces += directory(each, place + len(pieces), order)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    return head + directory(values + pointers, 8, order) + pieces


def tiff(samples: NDArray[Any], *more: Value, sub: tuple[NDArray[Any], list[Value]] | None = None) -> bytes:
    """Write an uncompressed little-endian TIFF of one strip; `more` replaces tags; `sub` is a picture in a SubIFD."""
    body = samples.tobytes()
    first = _tags(samples, 8) | {each[0]: each for each in more}
    out, place = b"II*\0" + bytes(4) + body, 8 + len(body)
    if sub is not None:
        inner, tags = sub
        values = _tags(inner, place) | {each[0]: each for each in tags}
        out += inner.tobytes()
        first[330] = long(330, len(out))
        out += directory(list(values.values()), len(out))
    place = len(out)
    return out[:4] + struct.pack("<I", place) + out[8:] + directory(list(first.values()), place)


def _tags(samples: NDArray[Any], place: int) -> dict[int, Value]:
    height, width, count = samples.shape
    values = [
        long(256, width), long(257, height), short(258, *[8 * samples.dtype.itemsize] * count), short(259, 1),
        short(262, 2 if count >= 3 else 1), long(273, place), short(277, count), long(278, height),
        long(279, samples.nbytes), short(339, *[3 if samples.dtype.kind == "f" else 1] * count),
    ]  # fmt: skip
    return {each[0]: each for each in values}


def iptc(*fields: tuple[int, bytes]) -> bytes:
    """Write Photoshop's image resource of IPTC records: (dataset, contents) of record 2."""
    records = b"".join(struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value for number, value in fields)
    return b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(records)) + records + b"\0" * (len(records) % 2)


def psd(
    samples: NDArray[Any], mode: int = 3, *resources: tuple[int, bytes], layers: int = 0, packed: bool = False,
    big: bool = False, palette: bytes = b"", bits: int | None = None,
) -> bytes:  # fmt: skip
    """Write the flattened picture (H, W, S) of a PSD or, with `big`, a PSB; `layers` is the count that its layers have.

    `bits` 1 takes a bitmap's rows packed; `packed` compresses each row by PackBits, all of it as literals.
    """
    height, width, count = samples.shape
    bits = 8 * samples.dtype.itemsize if bits is None else bits
    wide = "Q" if big else "I"
    blocks = b"".join(
        b"8BIM" + struct.pack(">HHI", number, 0, len(value)) + value + b"\0" * (len(value) % 2)
        for number, value in resources
    )
    info = struct.pack(">hh", layers, 0) if layers else b""
    section = struct.pack(f">{wide}", len(info)) + info + bytes(4) if layers else b""
    head = struct.pack(
        ">4sH6xHIIHH", b"8BPS", 1 + big, count, height, width * 8 // bits if bits == 1 else width, bits, mode
    )
    rows = [
        row.tobytes() for row in np.moveaxis(samples.astype(samples.dtype.newbyteorder(">")), 2, 0).reshape(-1, width)
    ]
    if packed:
        rows = [b"".join(bytes([len(row[at : at + 128]) - 1]) + row[at : at + 128] for at in range(0, len(row), 128))
                for row in rows]  # fmt: skip
    lengths = b"".join(struct.pack(">I" if big else ">H", len(row)) for row in rows) if packed else b""
    return b"".join([
        head, struct.pack(">I", len(palette)), palette, struct.pack(">I", len(blocks)), blocks,
        struct.pack(f">{wide}", len(section)), section, struct.pack(">H", packed), lengths, *rows,
    ])  # fmt: skip
