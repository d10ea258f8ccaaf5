"""JPEG: its segments, read and written as they are; Pillow sees the pixels alone.

Everything from the picture's own end on is left out: a second picture, a gain map, a film.
"""

from __future__ import annotations

import io
import struct
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from server.client.protocol import Size
from server.images import limits
from server.images.formats import codecs
from server.images.formats.jpeg_segments import APP0, APP14, COMMENT, Segments, segments_of
from server.images.metadata import exif, photoshop
from server.images.metadata import xmp as packets
from server.images.photo import Photo

APP1, APP2, APP13 = 0xE1, 0xE2, 0xED
XMP_MARK, EXTENSION_MARK = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
ICC_MARK, MULTI_PICTURE, GAIN_MAP = b"ICC_PROFILE\0", b"MPF\0", b"urn:iso:std:iso:ts:21496:-1\0"
NUMBER_OF_IMAGES = 0xB001  # in the multi-picture index
CREDENTIALS = b"JP"  # JUMBF in APP11
LARGEST_SEGMENT = 65533
LARGEST_EXIF = LARGEST_SEGMENT - len(exif.MARK)
LARGEST_XMP = LARGEST_SEGMENT - len(XMP_MARK)
PROFILE_PIECE = LARGEST_SEGMENT - len(ICC_MARK) - 2
DENSEST = 512  # samples that one byte of Huffman codes can stand for: every block takes at least a bit


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
    file = segments_of(contents, name)
    bits, height, width, count = struct.unpack_from(">BHHB", file.frame)
    limits.check(
        name, Size(width, height), count, 1 if bits <= 8 else 2, max_pixels, len(file.scans), DENSEST * (1 + (bits > 8))
    )
    alone = b"\xff\xd8" + b"".join(file.pixels) + file.scans
    photo = Photo(_decoded(alone, bits, name))
    photo.is_cmyk = photo.samples.shape[2] == 4
    _take(file, photo)
    _tell_what_is_behind(file, photo)
    return photo


def _decoded(alone: bytes, bits: int, name: str) -> NDArray[Any]:
    """Decode to (H, W, S); CMYK is four samples, as the file has them."""
    if bits > 8:
        return codecs.deep_jpeg(alone, bits, name)
    with Image.open(io.BytesIO(alone)) as image:
        samples = np.asarray(image)
    return samples[:, :, None] if samples.ndim == 2 else samples


def _take(file: Segments, photo: Photo) -> None:
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


def _tell_what_is_behind(file: Segments, photo: Photo) -> None:
    marks = [body for marker, body in file.marks if marker == APP2]
    if any(body.startswith(GAIN_MAP) for body in marks):
        photo.notices.append("The gain map for high dynamic range was left out (ISO 21496-1).")
    index = next((body for body in marks if body.startswith(MULTI_PICTURE)), None)
    if index is not None:
        photo.notices.append(f"Only the first of {_listed(index)} pictures in the file (MPF) is enlarged.")
    elif file.behind:
        photo.notices.append(
            f"{file.behind} bytes behind the picture were left out: a film, a second picture or other."
        )


def _listed(index: bytes) -> int | str:
    """Return how many pictures a multi-picture index lists (CIPA DC-007, NumberOfImages)."""
    structure = exif.structure_of(index[len(MULTI_PICTURE) :])
    if structure is None:
        return "several"
    count = structure.numbers(structure.directory(structure.first)[0].get(NUMBER_OF_IMAGES))
    return count[0] if count and count[0] > 1 else "several"


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
