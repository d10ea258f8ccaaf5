"""JPEG XL, by imagecodecs, the extra `codecs`: its boxes, read and written as they are; libjxl sees the pixels alone.

A file that was made of a JPEG gives that JPEG back, with all that it says; what has 8 bits and no alpha is written so.
Everything else is written without loss.
"""

from __future__ import annotations

import io
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from server.client.protocol import Size
from server.errors import NotAnImage
from server.images import limits
from server.images.formats import codecs, jpeg, jxl_boxes, jxl_colours, jxl_header
from server.images.formats.jxl_header import ALPHA, BLACK, PREMULTIPLIED, Header
from server.images.formats.tiff import straight
from server.images.metadata import exif
from server.images.metadata import xmp as packets
from server.images.photo import Photo

WHAT = "JPEG XL"
SPARSEST = 1e6  # flat pictures take next to nothing
NAMES = {b"jumb": "content credentials (JUMBF)", b"jhgm": "gain map for high dynamic range"}
EFFORT = 3  # of 9: a few seconds for a large picture
LONGEST_SIDE_OF_JPEG = 65500


def read(contents: bytes, name: str, max_pixels: int | None) -> Photo:
    """Read the first picture.

    Args:
        contents: of the file.
        name: what to call it in messages.
        max_pixels: refuse more, before decoding; None for no limit.

    Returns:
        The photo.

    Raises:
        NotAnImage: imagecodecs is not installed, or cannot read the file.
    """
    boxes = jxl_boxes.of(contents)
    codestream = jxl_boxes.codestream_of(boxes)
    try:
        header = jxl_header.read(codestream)
    except jxl_header.Damaged as fault:
        raise NotAnImage(f"{name} is no {WHAT} that can be followed ({fault}); expected a whole file.") from None
    count = (1 if header.colours.space == jxl_header.GREY else 3) + len(header.extra)
    size, sample_bytes = header.size, header.bits / 8 if header.is_float else 1 + (header.bits > 8)
    limits.check(name, size, count, sample_bytes, max_pixels, len(contents), SPARSEST)
    original = _original_jpeg(contents, boxes, size)
    if original is not None:
        return jpeg.read(original, name, max_pixels)
    if BLACK in header.extra:
        raise NotAnImage(f"{name} holds CMYK colours; expected grey or RGB; convert it first.")
    samples = codecs.decoded("jpegxl_decode", codestream, name, WHAT, index=0)
    photo = Photo(_settled(samples, header, name))
    photo.icc, photo.notices = jxl_colours.profile_of(header)
    _take(boxes, photo)
    if header.is_animated:
        photo.notices.append("Only the first picture of the animation is enlarged.")
    gone = len([kind for kind in header.extra if kind not in (ALPHA, PREMULTIPLIED)])
    if gone:
        photo.notices.append(f"{gone} channel{'s' * (gone > 1)} beside colours and alpha left out.")
    return photo


def _settled(samples: NDArray[Any], header: Header, name: str) -> NDArray[Any]:
    """Bring decoded samples to (H, W, S) of the whole range, straight where there is alpha."""
    samples = samples[:, :, None] if samples.ndim == 2 else samples
    colours = 1 if header.colours.space == jxl_header.GREY else 3
    has_alpha = bool({ALPHA, PREMULTIPLIED} & set(header.extra))
    if samples.ndim != 3 or samples.shape[2] < colours + has_alpha:
        raise NotAnImage(f"{name} holds channels of {samples.shape} that are not read; expected grey or RGB.")
    samples = samples[:, :, : colours + has_alpha]
    if samples.dtype == np.uint8 and header.bits < 8:
        samples = np.rint(samples * np.float32(255 / ((1 << header.bits) - 1))).astype(np.uint8)
    elif samples.dtype == np.uint16 and header.bits < 16:
        samples = codecs.stretched(samples, header.bits)
    return straight(samples) if PREMULTIPLIED in header.extra else np.ascontiguousarray(samples)


def _original_jpeg(contents: bytes, boxes: list[tuple[bytes, bytes]], size: Size) -> bytes | None:
    """Return the JPEG that the file was made of; None where it was not, or it cannot be had back."""
    if not any(name == b"jbrd" for name, _ in boxes) or max(size.width, size.height) > LONGEST_SIDE_OF_JPEG:
        return None
    try:
        return bytes(codecs.decoded("jpegxl_decode_jpeg", contents, "it", WHAT, numthreads=0))
    except NotAnImage:
        return None


def _take(boxes: list[tuple[bytes, bytes]], photo: Photo) -> None:
    """Take EXIF and XMP; the file's own turn counts, which libjxl follows, not the one that they tell."""
    for name, body in boxes:
        if name in jxl_boxes.STORAGE:
            continue
        if name == b"Exif" and len(body) > 8 and photo.exif is None:
            block = body[4 + int.from_bytes(body[:4], "big") :].removeprefix(exif.MARK)
            photo.exif = exif.upright(block, turned=False)[0] if block else None
        elif name == b"xml " and photo.xmp is None:
            photo.xmp = packets.upright(body)
        elif name == b"brob":
            told = body[:4].decode("latin-1").strip()
            photo.notices.append(f"{WHAT}'s {told} was left out: it is damaged, or larger than 16 MB.")
        else:
            told = NAMES.get(name, f"box {name.decode('latin-1').strip()}")
            photo.notices.append(f"{WHAT}'s {told} was left out.")


def is_of_jpeg(samples: NDArray[Any]) -> bool:
    """Return whether samples (H, W, S) are written as a JPEG within: with 8 bits, without alpha."""
    return samples.dtype == np.uint8 and samples.shape[2] in (1, 3) and max(samples.shape) <= LONGEST_SIDE_OF_JPEG


def write(photo: Photo, samples: NDArray[Any], file: IO[bytes]) -> list[str]:
    """Write JPEG XL.

    Args:
        photo: what is kept beside the pixels.
        samples: (H, W, S).
        file: where to.

    Returns:
        Sentences about what could not be kept.
    """
    if is_of_jpeg(samples):
        return _write_of_jpeg(photo, samples, file)
    flat = samples[:, :, 0] if samples.shape[2] == 1 else samples
    contents = codecs.encoded("jpegxl_encode", flat, lossless=True, effort=EFFORT, numthreads=0)
    boxes = jxl_boxes.of(contents)
    codestream, notices = jxl_colours.with_profile(jxl_boxes.codestream_of(boxes), photo)
    block = photo.exif
    if photo.dpi is not None:  # there is no other place for a resolution
        block = exif.with_resolution(block, photo.dpi)
    written = [(b"Exif", bytes(4) + block)] if block is not None else []
    written += [(b"xml ", photo.xmp)] if photo.xmp is not None else []
    level = [each for each in boxes if each[0] == b"jxll"]
    jxl_boxes.write([*jxl_boxes.HEAD, *level, *written, (b"jxlc", codestream)], file)
    return notices


def _write_of_jpeg(photo: Photo, samples: NDArray[np.uint8], file: IO[bytes]) -> list[str]:
    within = io.BytesIO()
    notices = jpeg.write(photo, samples, within)
    beside = {"IPTC": photo.photoshop, "comments": photo.comments, "JPEG's further segments": photo.segments}
    told = ", ".join(what for what, kept in beside.items() if kept)
    notices += [f"Kept in the JPEG that the file holds, where few programs look: {told}."] if told else []
    # The boxes are written unpacked: few programs read EXIF that brotli has packed.
    jxl_boxes.write(jxl_boxes.of(codecs.encoded("jpegxl_encode_jpeg", within.getvalue(), numthreads=0)), file)
    return notices
