"""The boxes of a JPEG XL file (ISO/IEC 18181-2): what lies beside the codestream."""

from __future__ import annotations

import struct
from typing import IO

from server.errors import NotAnImage
from server.images.formats import codecs

CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
HEAD = [(b"JXL ", b"\r\n\x87\n"), (b"ftyp", b"jxl \0\0\0\0jxl ")]
STORAGE = (b"JXL ", b"ftyp", b"jxlc", b"jxlp", b"jxll", b"jxli", b"jbrd")
LARGEST_BOX = 16 << 20  # bytes, unpacked
MOST_BOXES = 10_000
Box = tuple[bytes, bytes]  # name, contents


def of(contents: bytes) -> list[Box]:
    """Return a file's boxes, unpacked where brotli packs them; a bare codestream is one of them."""
    if not contents.startswith(CONTAINER):
        return [(b"jxlc", contents)]
    found: list[Box] = []
    place = 0
    while place + 8 <= len(contents) and len(found) < MOST_BOXES:
        (length,) = struct.unpack_from(">I", contents, place)
        name, start = contents[place + 4 : place + 8], place + 8
        if length == 1 and place + 16 <= len(contents):
            (length,) = struct.unpack_from(">Q", contents, place + 8)
            start = place + 16
        end = len(contents) if length == 0 else min(len(contents), place + max(length, start - place))
        found.append(_unpacked(name, contents[start:end]))
        place = end
    return found


def codestream_of(boxes: list[Box]) -> bytes:
    """Put the codestream together, which may lie in several boxes."""
    return b"".join(body[4:] if name == b"jxlp" else body for name, body in boxes if name in (b"jxlc", b"jxlp"))


def _unpacked(name: bytes, body: bytes) -> Box:
    """Unpack a box of brotli; leave others as they are, and what is damaged or too large."""
    if name != b"brob" or body[:4] in STORAGE:
        return name, body
    try:
        return body[:4], bytes(codecs.decoded("brotli_decode", body[4:], "it", "brotli", out=LARGEST_BOX))
    except NotAnImage:
        return name, body


def write(boxes: list[Box], file: IO[bytes]) -> None:
    """Write boxes."""
    for name, body in boxes:
        is_long = len(body) + 8 >= 1 << 32
        file.write(struct.pack(">I4s", 1 if is_long else len(body) + 8, name))
        file.write(struct.pack(">Q", len(body) + 16) if is_long else b"")
        file.write(body)
