"""WebP and AVIF, GIF and BMP: Pillow reads and writes them; WebP's own chunks that Pillow does not know are copied."""

from __future__ import annotations

import io
import struct
import warnings
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from server.client.protocol import Size
from server.errors import NotAnImage
from server.images import limits
from server.images.colours import of_video_signal, plain
from server.images.formats import beside
from server.images.metadata import exif
from server.images.photo import Photo

SPARSEST = 1e6  # lossless formats store flat pictures in next to nothing


def read(contents: bytes, name: str, kind: str, max_pixels: int | None) -> Photo:
    """Read a picture through Pillow.

    Args:
        contents: of the file.
        name: what to call it in messages.
        kind: its format, as Pillow names it.
        max_pixels: refuse more, before decoding; None for no limit.

    Returns:
        The photo, as it lies.
    """
    if kind == "AVIF" and not features.check("avif"):
        raise NotAnImage(f"{name} is AVIF; reading it needs Pillow 11.3 or newer; convert it to PNG first.")
    with Image.open(io.BytesIO(contents), formats=[kind]) as image:
        limits.check(name, Size(*image.size), 4, 1, max_pixels, len(contents), SPARSEST)
        several = _has_second(image)
    with Image.open(io.BytesIO(contents), formats=[kind]) as image:
        samples, notices = plain(image)
        photo = Photo(samples, notices=notices)
        told: dict[Any, Any] = image.info
    if several:
        photo.notices.append("Only the first of several pictures in the file is enlarged.")
    photo.icc = told.get("icc_profile") or None
    photo.xmp = told.get("xmp") or None
    block = told.get("exif") or b""
    photo.exif = bytes(block).removeprefix(exif.MARK) or None
    beside.take(contents, kind, photo)
    if kind == "WEBP" and beside.is_lossy(contents):
        photo.samples = _grey_again(photo.samples)
    if kind == "AVIF" and photo.icc is None:
        _take_video_signal(contents, photo)
    if kind == "AVIF" and _bits_of_avif(contents) > 8:
        photo.notices.append(f"AVIF's {_bits_of_avif(contents)} bits a sample were rounded to 8.")
    if kind == "BMP" and isinstance(told.get("dpi"), tuple):
        photo.dpi = exif.density(float(told["dpi"][0]), float(told["dpi"][1]), 1.0)
    if kind == "GIF" and told.get("comment"):
        photo.comments = [bytes(told["comment"])]
    return photo


def _grey_again(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Take back what libwebp's rounding does to grey: green comes out one level below red and blue."""
    red, green, blue = (samples[:, :, each].astype(np.int16) for each in range(3))
    changed = samples.copy()
    changed[:, :, 1] += (red == blue) & (red - green == 1)
    return changed


def _has_second(image: Image.Image) -> bool:
    try:
        image.seek(1)
    except (EOFError, OSError, ValueError):
        return False
    return True


def _take_video_signal(contents: bytes, photo: Photo) -> None:
    """Make a profile of the numbers that an AVIF may tell its colours by."""
    place = contents.find(b"colrnclx")
    if 0 <= place <= len(contents) - 12:
        primaries, transfer = struct.unpack_from(">HH", contents, place + 8)
        photo.icc, notices = of_video_signal(primaries, transfer, photo.samples.shape[2])
        photo.notices += notices


def _bits_of_avif(contents: bytes) -> int:
    place = contents.find(b"av1C")
    if place < 0 or place + 7 > len(contents) or not contents[place + 6] & 0x40:
        return 8
    return 12 if contents[place + 6] & 0x20 else 10


def write(photo: Photo, samples: NDArray[np.uint8], file: IO[bytes], kind: str) -> list[str]:
    """Write WebP or AVIF, quality 95.

    Args:
        photo: what is kept beside the pixels.
        samples: (H, W, S); grey is stored as RGB.
        file: where to.
        kind: WEBP or AVIF.

    Returns:
        Sentences about what could not be kept.
    """
    if kind == "AVIF" and not features.check("avif"):
        raise NotAnImage("Writing AVIF needs Pillow 11.3 or newer; write PNG or WebP.")
    notices: list[str] = []
    block = photo.exif
    if photo.dpi is not None:  # there is no other place for a resolution
        block = exif.with_resolution(block, photo.dpi)
    if block is not None and kind == "AVIF":
        block = exif.without_orientation(block)  # else Pillow writes what it has understood, not what was there
        if not _pillow_can_follow(block):
            block = None
            notices.append("EXIF was left out: it is damaged, and AVIF takes only what is whole.")
    told: dict[str, Any] = {"icc_profile": photo.icc, "exif": block, "xmp": photo.xmp}
    told |= {"exact": True} if kind == "WEBP" else {"subsampling": "4:4:4"}
    if samples.shape[2] <= 2:
        samples = np.concatenate([samples[:, :, :1].repeat(3, axis=2), samples[:, :, 1:]], axis=2)
    packed = io.BytesIO()
    given = {name: value for name, value in told.items() if value is not None}
    Image.fromarray(np.ascontiguousarray(samples)).save(packed, kind, quality=95, **given)
    view = packed.getbuffer()
    further = photo.pieces if kind == "WEBP" else []
    if further and bytes(view[12:16]) == b"VP8X":
        tail = b"".join(name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for name, body in further)
        file.write(b"RIFF" + struct.pack("<I", len(view) - 8 + len(tail)) + view[8:] + tail)
        return notices
    file.write(view)
    if not further:
        return notices
    names = ", ".join(name.decode("latin-1") for name, _ in further)
    return [
        *notices,
        f"WebP's chunks {names} were left out: without EXIF, XMP or a profile there is no place for them.",
    ]


def _pillow_can_follow(block: bytes) -> bool:
    """Return whether Pillow, which looks for an orientation in every block that goes into an AVIF, will not stumble."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = Image.Exif()
            found.load(block)
            return exif.ORIENTATION not in found
    except Exception:  # noqa: BLE001 (whatever it raises, this block is not for it)
        return False
