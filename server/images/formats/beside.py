"""What GIF, BMP and WebP say beside their pixels and Pillow does not tell: blocks and chunks, as they are."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from server.images.metadata import exif
from server.images.photo import Photo

OF_PIXELS = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF")  # WebP's chunks
PLACES = {b"ICCP": "icc", b"EXIF": "exif", b"XMP ": "xmp"}
MOST_CHUNKS = 10_000
LARGEST = 16 << 20  # bytes of what is copied
EXTENSION, APPLICATION, IMAGE = 0x21, 0xFF, 0x2C  # GIF's marks
XMP_TRAILER = 257  # bytes that make readers of blocks pass over a packet, the last zero apart
EMBEDDED, CALIBRATED = b"DEBM", bytes(4)  # BMP's kinds of colour space


def take(contents: bytes, kind: str, photo: Photo) -> None:
    """Take what a file says beside its pixels.

    Args:
        contents: of the file.
        kind: its format; others than GIF, BMP and WEBP are left alone.
        photo: where it goes.
    """
    if kind == "WEBP":
        _take_webp(contents, photo)
    elif kind == "GIF":
        _take_gif(contents, photo)
    elif kind == "BMP":
        _take_bmp(contents, photo)


def _chunks(contents: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and contents of a WebP's whole chunks."""
    place = 12
    for _ in range(MOST_CHUNKS):
        if place + 8 > len(contents):
            return
        (length,) = struct.unpack_from("<I", contents, place + 4)
        body = contents[place + 8 : place + 8 + length]
        if len(body) == length:
            yield contents[place : place + 4], body
        place += 8 + length + length % 2


def is_lossy(contents: bytes) -> bool:
    """Return whether a WebP's picture lies in a lossy chunk; of an animation False."""
    return any(name == b"VP8 " for name, _ in _chunks(contents))


def _take_webp(contents: bytes, photo: Photo) -> None:
    """Take profile, EXIF and XMP, announced in the header or not, and the chunks that others put there."""
    total = 0
    for name, body in _chunks(contents):
        if name in OF_PIXELS or total + len(body) > LARGEST:
            continue
        total += len(body)
        if name in PLACES and getattr(photo, PLACES[name]) is None:
            setattr(photo, PLACES[name], body.removeprefix(exif.MARK) or None)
        elif name not in PLACES:
            photo.pieces.append((name, body))


def _take_gif(contents: bytes, photo: Photo) -> None:
    """Take XMP and profile out of the application extensions; others are named."""
    names = set()
    for name, place, end in _applications(contents):
        if name == b"XMP DataXMP":
            photo.xmp = contents[place : max(place, end - XMP_TRAILER)]
        elif name == b"ICCRGBG1012":
            photo.icc = _joined(contents, place, end)
        elif name not in (b"NETSCAPE2.0", b"ANIMEXTS1.0"):
            names.add(name.decode("latin-1"))
    if names:
        photo.notices.append(f"GIF's application extensions ({', '.join(sorted(names))}) were left out.")


def _applications(contents: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the name of each application extension before the second picture, and where its blocks begin and end."""
    place = 13 + _palette(contents, 10)
    pictures = 0
    for _ in range(MOST_CHUNKS):
        mark, label = contents[place : place + 1], contents[place + 1 : place + 2]
        if mark == bytes([EXTENSION]):
            start = place + 2
        elif mark == bytes([IMAGE]) and not pictures:
            start, pictures = place + 11 + _palette(contents, place + 9), 1
        else:
            return
        end = _end(contents, start)
        if mark[0] == EXTENSION and label == bytes([APPLICATION]) and contents[start : start + 1] == b"\x0b":
            yield contents[start + 1 : start + 12], start + 12, end
        place = end + 1


def _palette(contents: bytes, place: int) -> int:
    """Return the bytes of the palette that the flags at `place` announce."""
    flags = contents[place] if place < len(contents) else 0
    return 3 * (2 << (flags & 7)) if flags & 0x80 else 0


def _end(contents: bytes, place: int) -> int:
    """Return where the empty block lies that ends the blocks at `place`."""
    while place < len(contents) and contents[place]:
        place += 1 + contents[place]
    return place


def _joined(contents: bytes, place: int, end: int) -> bytes:
    parts = []
    while place < end:
        parts.append(contents[place + 1 : place + 1 + contents[place]])
        place += 1 + contents[place]
    return b"".join(parts)


def _take_bmp(contents: bytes, photo: Photo) -> None:
    """Take the profile of a header of version 5; what one of version 4 says of its primaries is named."""
    size = int.from_bytes(contents[14:18], "little")
    if size < 108:
        return
    space = contents[70:74]
    if size >= 124 and space == EMBEDDED:
        place, length = struct.unpack_from("<II", contents.ljust(138, b"\0"), 126)
        photo.icc = contents[14 + place : 14 + place + min(length, LARGEST)] or None
    elif space == CALIBRATED and any(contents[74:122]):
        photo.notices.append("BMP's primaries and gamma were left out.")
