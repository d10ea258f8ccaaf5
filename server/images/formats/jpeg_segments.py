"""A JPEG's segments, sorted by what they are for, and where its picture ends."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from server.errors import NotAnImage

APP0, APP14, COMMENT = 0xE0, 0xEE, 0xFE
START_OF_SCAN, END = 0xDA, 0xD9
FRAMES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
WITHOUT_BODY = (0x01, *range(0xD0, 0xD9))
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # that ends the data of a scan
MOST_SCANS = 100
MOST_SEGMENTS = 20_000


@dataclass
class Segments:
    """The segments of a file, sorted by what they are for."""

    pixels: list[bytes] = field(default_factory=list)  # what a decoder needs, up to the first scan
    scans: bytes = b""
    marks: list[tuple[int, bytes]] = field(default_factory=list)  # application segments and comments
    frame: bytes = b""
    behind: int = 0  # bytes behind the picture's end


def segments_of(contents: bytes, name: str) -> Segments:
    """Take a JPEG apart.

    Args:
        contents: of the file.
        name: what to call it in messages.

    Returns:
        Its segments; what lies behind the picture's end is only counted.

    Raises:
        NotAnImage: there is no picture, or more segments or scans than any picture has.
    """
    file, place, count = Segments(), 2, 0
    while True:
        place = contents.find(b"\xff", place)
        while place >= 0 and contents[place + 1 : place + 2] == b"\xff":
            place += 1
        if place < 0 or place + 4 > len(contents):
            raise NotAnImage(f"{name} is a JPEG without a picture; expected a whole file; get it anew.")
        marker = contents[place + 1]
        if marker in WITHOUT_BODY or marker == 0:
            place += 2
            continue
        count += 1
        if count > MOST_SEGMENTS:
            raise NotAnImage(f"{name} has more than {MOST_SEGMENTS} segments; expected far fewer; save it anew.")
        if marker == START_OF_SCAN:
            break
        (length,) = struct.unpack_from(">H", contents, place + 2)
        body = contents[place + 4 : place + 2 + length]
        whole = contents[place : place + 2 + length]
        if marker in FRAMES:
            file.frame = body
        if 0xE0 <= marker <= 0xEF or marker == COMMENT:
            file.marks.append((marker, body))
            if (marker, body[:5]) in ((APP0, b"JFIF\0"), (APP14, b"Adobe")):  # they tell how colours are stored
                file.pixels.append(whole)
        else:
            file.pixels.append(whole)
        place += 2 + max(2, length)
    if len(file.frame) < 6:
        raise NotAnImage(f"{name} is a JPEG without a picture; expected a whole file; get it anew.")
    end = _end_of_scans(contents, place, name)
    file.scans, file.behind = contents[place:end], len(contents[end:].strip(b"\0\xff"))
    return file


def _end_of_scans(contents: bytes, place: int, name: str) -> int:
    """Return where the picture ends; refuse one whose scans would take longer than any picture's."""
    scans = 0
    while found := MARKER.search(contents, place):
        place, marker = found.start(), contents[found.start() + 1]
        if marker == END:
            return place + 2
        scans += marker == START_OF_SCAN
        if scans > MOST_SCANS:
            raise NotAnImage(f"{name} has more than {MOST_SCANS} scans; expected at most 64; save it anew.")
        if place + 4 > len(contents):
            break
        place += 2 + int.from_bytes(contents[place + 2 : place + 4], "big")
    return len(contents)
