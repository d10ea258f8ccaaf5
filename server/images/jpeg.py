"""JPEG: its segments, read and written as they are; Pillow sees the pixels alone.

Everything from the picture's own end on is left out: a second picture, a gain map, a film.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from server.client.protocol import Size
from server.errors import NotAnImage
from server.images import codecs, exif, limits, photoshop
from server.images import xmp as packets
from server.images.photo import Photo

APP0, APP1, APP2, APP13, APP14, COMMENT = 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE
START_OF_SCAN, END, TABLES_AND_FRAMES = 0xDA, 0xD9, range(0xC0, 0xE0)
FRAMES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)
WITHOUT_BODY = (0x01, *range(0xD0, 0xD9))
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # that ends the data of a scan
XMP_MARK, EXTENSION_MARK = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
ICC_MARK, MULTI_PICTURE, GAIN_MAP = b"ICC_PROFILE\0", b"MPF\0", b"urn:iso:std:iso:ts:21496:-1\0"
CREDENTIALS = b"JP"  # JUMBF in APP11
LARGEST_SEGMENT = 65533
LARGEST_EXIF = LARGEST_SEGMENT - len(exif.MARK)
LARGEST_XMP = LARGEST_SEGMENT - len(XMP_MARK)
PROFILE_PIECE = LARGEST_SEGMENT - len(ICC_MARK) - 2
MOST_SCANS = 100
MOST_SEGMENTS = 20_000
DENSEST = 512  # samples that one byte of Huffman codes can stand for: every block takes at least a bit


@dataclass
class _File:
    """The segments of a file, sorted by what they are for."""

    pixels: list[bytes] = field(default_factory=list)  # what a decoder needs, up to the first scan
    scans: bytes = b""
    marks: list[tuple[int, bytes]] = field(default_factory=list)  # application segments and comments
    frame: tuple[int, bytes] = (0, b"")
    behind: int = 0  # bytes behind the picture's end


def read(contents: bytes, name: str, max_pixels: int | None) -> Photo:
    """Read a JPEG.

    Args:
        contents: of the file.
        name: what to call it in messages.
        max_pixels: refuse more, before decoding; None for no limit.

    Returns:
        The photo, as it lies; CMYK is left to the caller.

    Raises:
        NotAnImage: it has no frame, or more scans than any picture needs.
    """
    file = _segments_of(contents, name)
    kind, frame = file.frame
    bits, height, width, count = struct.unpack_from(">BHHB", frame)
    limits.check(
        name, Size(width, height), count, 1 if bits <= 8 else 2, max_pixels, len(file.scans), DENSEST * (1 + (bits > 8))
    )
    alone = b"\xff\xd8" + b"".join(file.pixels) + file.scans
    photo = Photo(_decoded(alone, bits, name))
    photo.is_cmyk = photo.samples.shape[2] == 4
    _take(file, photo)
    _tell_what_is_behind(file, photo)
    return photo


def _segments_of(contents: bytes, name: str) -> _File:
    file, place, count = _File(), 2, 0
    while True:
        place = contents.find(b"\xff", place)
        while contents[place + 1 : place + 2] == b"\xff":
            place += 1
        if place < 0 or place + 4 > len(contents):
            raise NotAnImage(f"{name} is a JPEG without a picture; expected a whole file; get it anew.")
        marker = contents[place + 1]
        if marker in WITHOUT_BODY or marker == 0:
            place += 2
            continue
        count += 1
        if count > MOST_SEGMENTS:
            raise NotAnImage(f"{name} has more than {MOST_SEGMENTS} segments; save it anew.")
        if marker == START_OF_SCAN:
            break
        (length,) = struct.unpack_from(">H", contents, place + 2)
        body = contents[place + 4 : place + 2 + length]
        whole = contents[place : place + 2 + length]
        if marker in FRAMES:
            file.frame = marker, body
        if 0xE0 <= marker <= 0xEF or marker == COMMENT:
            file.marks.append((marker, body))
            if (marker, body[:5]) in ((APP0, b"JFIF\0"), (APP14, b"Adobe")):  # they tell how colours are stored
                file.pixels.append(whole)
        else:
            file.pixels.append(whole)
        place += 2 + max(2, length)
    if len(file.frame[1]) < 6:
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


def _decoded(alone: bytes, bits: int, name: str) -> NDArray[Any]:
    """Decode to (H, W, S); CMYK is four samples, as the file has them."""
    if bits > 8:
        return codecs.deep_jpeg(alone, bits, name)
    with Image.open(io.BytesIO(alone)) as image:
        samples = np.asarray(image)
    return samples[:, :, None] if samples.ndim == 2 else samples


def _take(file: _File, photo: Photo) -> None:
    """Sort the application segments into a photo."""
    blocks: list[bytes] = []
    extended: list[bytes] = []
    profile: dict[int, bytes] = {}
    resources: list[bytes] = []
    for marker, body in file.marks:
        if marker == APP1 and body.startswith(exif.MARK):
            inside = body[len(exif.MARK) :]
            if not blocks or inside[:4] not in (b"II*\0", b"MM\0*"):
                blocks.append(inside)  # a further piece of a block that is too long for one segment
            else:
                photo.notices.append("A second EXIF was left out.")
        elif marker == APP1 and body.startswith(XMP_MARK) and photo.xmp is None:
            photo.xmp = body[len(XMP_MARK) :]
        elif marker == APP1 and body.startswith(EXTENSION_MARK):
            extended.append(body[len(EXTENSION_MARK) :])
        elif marker == APP2 and body.startswith(ICC_MARK) and len(body) > 14:
            profile[body[12]] = body[14:]
        elif marker == APP13 and body.startswith(photoshop.MARK):
            resources.append(body[len(photoshop.MARK) :])
        elif marker == COMMENT:
            photo.comments.append(body)
        else:
            _take_other(marker, body, photo)
    photo.exif = b"".join(blocks) or None
    photo.icc = b"".join(profile[index] for index in sorted(profile)) or None
    photo.photoshop = b"".join(resources) or None
    _join_xmp(photo, extended)


def _take_other(marker: int, body: bytes, photo: Photo) -> None:
    if marker == APP0 and body[:5] == b"JFIF\0" and len(body) >= 12:
        unit, across, down = struct.unpack_from(">BHH", body, 7)
        photo.dpi = exif.density(across, down, {1: 1.0, 2: 2.54}.get(unit, 0.0)) or photo.dpi
        if unit == 0 and across != down:
            photo.notices.append(f"JFIF's aspect ratio of pixels, {across}:{down}, was left out.")
    elif marker == APP0 and body[:5] == b"JFXX\0":
        photo.notices.append("The thumbnail in JFXX was left out.")
    elif marker == 0xEB and body[:2] == CREDENTIALS:
        told = "The content credentials (JUMBF) were left out: they are of the old pixels."
        photo.notices += [] if told in photo.notices else [told]
    elif not (marker == APP2 and body.startswith((MULTI_PICTURE, GAIN_MAP))) and (marker, body[:5]) != (
        APP14,
        b"Adobe",
    ):
        photo.segments.append((marker, body))


def _join_xmp(photo: Photo, extended: list[bytes]) -> None:
    if photo.xmp is None:
        if extended:
            photo.notices.append("Extended XMP was left out: the packet that it belongs to is missing.")
        return
    name = packets.identifier(photo.xmp)
    if name is None:
        return
    whole = packets.of_pieces(extended, name)
    both = packets.joined(photo.xmp, whole)
    if whole is None or both is None:
        photo.notices.append("Extended XMP was left out: it is damaged, or a part of it is missing.")
        both = packets.joined(photo.xmp, None)
    photo.xmp = both


def _tell_what_is_behind(file: _File, photo: Photo) -> None:
    marks = [body for marker, body in file.marks if marker == APP2]
    if any(body.startswith(GAIN_MAP) for body in marks):
        photo.notices.append("The gain map for high dynamic range was left out (ISO 21496-1).")
    if any(body.startswith(MULTI_PICTURE) for body in marks):
        photo.notices.append("Only the first of several pictures in the file (MPF) is enlarged.")
    elif file.behind:
        photo.notices.append(
            f"{file.behind} bytes behind the picture were left out: a film, a second picture or other."
        )


def write(photo: Photo, samples: NDArray[np.uint8], file: IO[bytes]) -> list[str]:
    """Write a JPEG, quality 95, 4:4:4.

    Args:
        photo: what is kept beside the pixels.
        samples: (H, W, 1 or 3).
        file: where to.

    Returns:
        Sentences about what could not be kept.
    """
    notices: list[str] = []
    packed = io.BytesIO()
    told: dict[str, Any] = {} if photo.dpi is None else {"dpi": tuple(min(65535, round(each)) for each in photo.dpi)}
    image = Image.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples)
    image.save(packed, "JPEG", quality=95, subsampling=0, **told)
    view = packed.getbuffer()
    start = 4 + struct.unpack_from(">H", view, 4)[0]  # behind JFIF, which Pillow writes first
    file.write(view[:start])
    for marker, body in _marks(photo, notices):
        file.write(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body)
    file.write(view[start:])
    return notices


def _marks(photo: Photo, notices: list[str]) -> list[tuple[int, bytes]]:
    marks: list[tuple[int, bytes]] = []
    block = photo.exif
    if block is not None and len(block) > LARGEST_EXIF:
        block, gone = exif.shortened(block, LARGEST_EXIF)
        notices.append(f"EXIF is longer than a JPEG can hold; left out: {', '.join(gone)}.")
    if block is not None:
        marks.append((APP1, exif.MARK + block))
    if photo.xmp is not None and len(photo.xmp) <= LARGEST_XMP:
        marks.append((APP1, XMP_MARK + photo.xmp))
    elif photo.xmp is not None:
        first, pieces = packets.in_parts(photo.xmp)
        marks += [(APP1, XMP_MARK + first), *((APP1, EXTENSION_MARK + piece) for piece in pieces)]
        notices.append("XMP is longer than a JPEG's segment; it was kept as extended XMP, which few programs read.")
    if photo.icc is not None:
        parts = [photo.icc[start : start + PROFILE_PIECE] for start in range(0, len(photo.icc), PROFILE_PIECE)]
        if len(parts) > 255:
            notices.append(
                f"The colour profile ({len(photo.icc)} bytes) was left out: JPEG has no place for so large a one."
            )
        else:
            marks += [(APP2, ICC_MARK + bytes([index, len(parts)]) + part) for index, part in enumerate(parts, 1)]
    if photo.photoshop is not None:
        piece = LARGEST_SEGMENT - len(photoshop.MARK)
        parts = [photo.photoshop[start : start + piece] for start in range(0, len(photo.photoshop), piece)]
        marks += [(APP13, photoshop.MARK + part) for part in parts]
    marks += photo.segments
    return marks + [(COMMENT, comment) for comment in photo.comments]
