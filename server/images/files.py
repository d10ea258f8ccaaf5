"""Image files ↔ photos, with everything else that they hold: FORMATS are read and written, READ_ONLY only read.

Whatever a file says is kept, or named in the photo's notices. Orientation is applied once and reset.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from server.errors import InternalFault, NotAnImage, ServerError, TooLarge, WrongParameter
from server.images import colours, limits, losses
from server.images.formats import by_pillow, heif, jpeg, jxl, jxl_boxes, jxl_header, png, psd, tiff, tiff_write
from server.images.formats.png_chunks import SIGNATURE
from server.images.metadata import exif
from server.images.metadata import xmp as packets
from server.images.photo import Photo, turn_upright

FORMATS = {
    ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".tif": "TIFF", ".tiff": "TIFF",
    ".webp": "WEBP", ".avif": "AVIF", ".jxl": "JXL",
}  # fmt: skip
# What the name of a result ends in: one of a format, and of a file of those that are only read.
ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif", "WEBP": ".webp", "AVIF": ".avif", "JXL": ".jxl"}
READ_ONLY = {".gif": ".png", ".bmp": ".png", ".psd": ".png", ".psb": ".png", ".heic": ".png", ".heif": ".png",
             ".mpo": ".jpg"}  # fmt: skip
EXPECTED = "PNG, JPEG, TIFF, WebP, AVIF, JPEG XL, HEIC, PSD, GIF or BMP"
START = 64  # bytes of a file that tell its format
MAGIC = (
    (SIGNATURE, "PNG"), (b"\xff\xd8\xff", "JPEG"), *((magic, "TIFF") for magic in tiff.MAGIC),
    (jxl_boxes.CONTAINER, "JXL"), (jxl_header.SIGNATURE, "JXL"), (b"GIF8", "GIF"), (psd.SIGNATURE, "PSD"),
    (b"BM", "BMP"),
)  # fmt: skip


def format_of(path: Path) -> str:
    """Return the format that a file name asks for.

    Args:
        path: only its ending counts.

    Returns:
        One of the values of FORMATS.

    Raises:
        WrongParameter: the ending is none of FORMATS.
    """
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise WrongParameter(
            f"{path.name} ends in {path.suffix or 'nothing'!r}; expected one of {', '.join(FORMATS)}; rename it."
        ) from None


def kind_of(start: bytes) -> str | None:
    """Return the format of a file by its first START bytes: of FORMATS' values, GIF, BMP, PSD, HEIC; or None."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[4:8] == b"ftyp":
        return _kind_of_brands(start)
    return next((kind for magic, kind in MAGIC if start.startswith(magic)), None)


def _kind_of_brands(start: bytes) -> str | None:
    """Return the format of a file of ISO/IEC 14496-12's boxes: the first brand that tells one decides."""
    length = int.from_bytes(start[:4], "big")
    for brand in (start[8:12], *(start[place : place + 4] for place in range(16, min(length, len(start)), 4))):
        if brand in heif.BRANDS:
            return "HEIC"
        if brand in (b"avif", b"avis"):
            return "AVIF"
    return None


def read_photo(source: bytes | Path, name: str, max_pixels: int | None = None) -> Photo:
    """Read an image file.

    Args:
        source: the file's contents, or where it lies.
        name: what to call it in messages.
        max_pixels: refuse more, before decoding; None for no limit.

    Returns:
        The photo, upright.

    Raises:
        NotAnImage: it cannot be decoded.
        TooLarge: it has more pixels or bytes than the limit, or than there is memory for.
    """
    Image.MAX_IMAGE_PIXELS = None  # the limit is checked here, from the header, without a warning
    try:
        return _settled(_read(source, name, max_pixels))
    except ServerError:
        raise
    except (OSError, FileNotFoundError) as fault:
        if isinstance(source, Path) and fault.errno is not None:  # of the file system, not of a decoder
            raise
        raise _unreadable(name, fault) from fault
    except MemoryError as fault:
        raise TooLarge(f"There is not enough memory to decode {name}; enlarge a part of it.") from fault
    except Exception as fault:  # decoders of foreign bytes raise whatever they like
        raise _unreadable(name, fault) from fault


def _unreadable(name: str, fault: Exception) -> NotAnImage:
    told = str(fault)[:100] or type(fault).__name__
    if isinstance(fault, UnidentifiedImageError):
        told = "it is damaged, or of a kind that is not known"
    return NotAnImage(f"{name} cannot be read as an image ({told}); expected {EXPECTED}; check the file.")


def _read(source: bytes | Path, name: str, max_pixels: int | None) -> Photo:
    if isinstance(source, bytes):
        start = source[:START]
    else:
        with source.open("rb") as file:
            start = file.read(START)
    kind = kind_of(start)
    if kind is None:
        what = "it begins as none of the formats that are known"
        raise NotAnImage(f"{name} cannot be read as an image ({what}); expected {EXPECTED}; convert it first.")
    if kind == "TIFF":
        return tiff.read(source, name, max_pixels)
    if isinstance(source, Path):
        limits.check_file(name, source.stat().st_size, max_pixels)
    contents = source if isinstance(source, bytes) else source.read_bytes()
    if kind == "PNG":
        return png.read(contents, name, max_pixels)
    if kind == "JPEG":
        return jpeg.read(contents, name, max_pixels)
    if kind == "JXL":
        return jxl.read(contents, name, max_pixels)
    if kind == "HEIC":
        return heif.read(contents, name, max_pixels)
    if kind == "PSD":
        return psd.read(contents, name, max_pixels)
    return by_pillow.read(contents, name, kind, max_pixels)


def _settled(photo: Photo) -> Photo:
    """Turn a photo as it lies in its file into one that is upright, in colours that are ours."""
    if photo.is_cmyk:
        colours.from_cmyk(photo)
    colours.check_profile(photo)
    orientation = exif.orientation(photo.exif) or packets.orientation(photo.xmp) or exif.UPRIGHT
    photo.dpi = photo.dpi or exif.resolution(photo.exif)
    if photo.exif is not None:
        photo.exif, told = exif.upright(photo.exif, turned=orientation != exif.UPRIGHT)
        photo.notices += told
    if photo.xmp is not None:
        photo.xmp, gone = packets.without_what_is_beside(packets.upright(photo.xmp))
        photo.notices += [f"The {what} that XMP describes was left out." for what in gone]
    if orientation > 4 and photo.dpi is not None:
        photo.dpi = photo.dpi[1], photo.dpi[0]
    photo.samples = turn_upright(photo.samples, orientation)
    return photo


def write_photo(photo: Photo, file: IO[bytes], kind: str) -> list[str]:
    """Encode a photo.

    Args:
        photo: what to write.
        file: where to, open for writing and reading.
        kind: a value of FORMATS.

    Returns:
        Sentences about what this format could not keep, the photo's own notices first.

    Raises:
        WrongParameter: the format cannot hold so large a picture.
        TooLarge: nor can this machine.
    """
    limits.check_result(photo.size, kind, photo.pixel_format.bytes_per_pixel)
    notices = list(photo.notices)
    samples = _fitting(photo.samples, kind, notices)
    is_rgb = kind in ("WEBP", "AVIF")
    icc, told_of_profile = colours.profile_for(photo, kind, is_rgb=is_rgb)
    notices += told_of_profile + losses.left_out(photo, kind, is_jpeg=kind == "JXL" and jxl.is_of_jpeg(samples))
    written = dataclasses.replace(
        photo, icc=icc,
        exif=None if photo.exif is None else exif.with_size(photo.exif, photo.size),
        xmp=None if photo.xmp is None else packets.with_size(photo.xmp, photo.size),
    )  # fmt: skip
    try:
        return losses.told(notices + _write(written, samples, file, kind))
    except (OSError, ServerError):
        raise
    except Exception as fault:  # encoders raise whatever they like
        raise InternalFault(f"The result cannot be stored as {kind} ({str(fault)[:100]}); try PNG.") from fault


def _write(photo: Photo, samples: NDArray[Any], file: IO[bytes], kind: str) -> list[str]:
    if kind == "PNG":
        return png.write(photo, samples, file)
    if kind == "JPEG":
        return jpeg.write(photo, samples, file)
    if kind == "TIFF":
        return tiff_write.write(photo, samples, file)
    if kind == "JXL":
        return jxl.write(photo, samples, file)
    return by_pillow.write(photo, samples, file, kind)


def _fitting(samples: NDArray[Any], kind: str, notices: list[str]) -> NDArray[Any]:
    """Turn samples into what a format holds."""
    if kind in ("TIFF", "JXL") or (kind == "PNG" and samples.dtype.kind == "u"):
        return samples
    if kind == "PNG":
        notices.append("Float values were stored with 16 bits, clipped to 0…1.")
        return np.rint(np.clip(np.nan_to_num(samples.astype(np.float32)), 0, 1) * 65535).astype(np.uint16)
    if samples.dtype != np.uint8:
        notices.append(f"{kind} holds 8 bits a sample; the rest was rounded away.")
        samples = _to_eight_bits(samples)
    if kind == "JPEG" and samples.shape[2] in (2, 4):
        notices.append("JPEG has no transparency; the picture was put on white.")
        samples = _on_white(samples)
    return samples


def _to_eight_bits(samples: NDArray[Any]) -> NDArray[np.uint8]:
    white = 65535.0 if samples.dtype == np.uint16 else 1.0
    values = np.clip(np.nan_to_num(samples.astype(np.float32)) / white, 0, 1)
    whole: NDArray[np.uint8] = np.rint(values * 255).astype(np.uint8)
    return whole


def _on_white(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    alpha = samples[:, :, -1:].astype(np.float32) / 255
    mixed = samples[:, :, :-1] * alpha + 255 * (1 - alpha)
    return np.ascontiguousarray(np.rint(mixed).astype(np.uint8))
