"""Reads one photo of any usual kind as 8-bit sRGB and reduces it in linear light. Knows nothing of patches or torch."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, ImageCms, ImageOps

from trainer.errors import PhotoError
from trainer.srgb import linear_to_srgb, srgb_to_linear

Pixels = npt.NDArray[np.uint8]

_EXIF_MODEL = 0x0110
_EXIF_ORIENTATION = 0x0112
_TIFF_BITS_PER_SAMPLE = 258
_DECODING_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    struct.error,
    MemoryError,
    ZeroDivisionError,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class Photo:
    """One decoded photo, upright, in sRGB."""

    pixels: Pixels  # uint8, H × W × 3, RGB as displayed
    opaque: npt.NDArray[np.bool_] | None  # bool, H × W; None where the file has no transparency
    camera: str  # EXIF model, "" where the file names none
    content_hash: str  # SHA-256 (hexadecimal) of size and pixels; the same photo in another file has the same hash


def read_photo(path: Path) -> Photo:
    """Decode a photo: EXIF orientation applied, colour profile converted to sRGB, deeper samples reduced to 8 bits.

    Args:
        path: a file in any format that Pillow reads, or a TIFF with 8, 16 or 32 bits per sample.

    Returns:
        The photo as uint8 RGB.

    Raises:
        PhotoError: the file is no picture, is broken, or has a layout that cannot be read as RGB.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large pictures and odd EXIF blocks; both are usable
            return _decode(path)
    except _DECODING_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PhotoError(reason.replace(str(path), path.name)) from error


def reductions_of(pixels: Pixels, factors: Sequence[int], smallest: int) -> Iterator[tuple[int, Pixels]]:
    """Reduce by integer factors: mean of factor × factor pixels in linear light, rounded back to 8 bits.

    Args:
        pixels: uint8, H × W × 3, sRGB as displayed.
        factors: 1 or more each; rows and columns that do not fill a cell are cut off at the far edges.
        smallest: factors that leave a side shorter than this are left out.

    Yields:
        (factor, uint8 of (H // factor) × (W // factor) × 3), factors in ascending order.
    """
    linear, reached = None, 1
    for factor in sorted(set(factors)):
        if min(pixels.shape[0] // factor, pixels.shape[1] // factor) < smallest:
            return
        if factor == 1:
            yield 1, pixels
            continue
        if linear is None or factor % reached:
            linear, reached = _to_linear_table()[pixels], 1
        linear, reached = _mean_of_cells(linear, factor // reached), factor
        yield factor, _from_linear_table()[linear]


def _mean_of_cells(linear: npt.NDArray[np.uint16], factor: int) -> npt.NDArray[np.uint16]:
    height, width = linear.shape[0] // factor, linear.shape[1] // factor
    cells = linear[: height * factor, : width * factor]
    rows = cells[0::factor].astype(np.uint32)
    for row in range(1, factor):
        rows += cells[row::factor]
    total = rows[:, 0::factor] + np.uint32(factor * factor // 2)
    for column in range(1, factor):
        total += rows[:, column::factor]
    return (total // np.uint32(factor * factor)).astype(np.uint16)


@lru_cache(maxsize=1)
def _to_linear_table() -> npt.NDArray[np.uint16]:
    return np.rint(srgb_to_linear(np.arange(256) / 255) * 65535).astype(np.uint16)


@lru_cache(maxsize=1)
def _from_linear_table() -> Pixels:
    return np.rint(linear_to_srgb(np.arange(65536) / 65535) * 255).astype(np.uint8)


def _decode(path: Path) -> Photo:
    try:
        image = Image.open(path)
    except OSError:
        if path.suffix.lower() not in (".tif", ".tiff"):
            raise
        return _finish(_read_deep_tiff(path), camera="")  # Pillow knows no 16-bit colour TIFF
    with image:
        camera = str(image.getexif().get(_EXIF_MODEL, "")).strip("\0 ")
        if image.format == "TIFF" and (image.mode == "F" or max(_bits_per_sample(image)) > 8):
            deep = Image.fromarray(_read_deep_tiff(path))  # Pillow would cut 16 bits to 8 instead of rounding
            deep.getexif()[_EXIF_ORIENTATION] = image.getexif().get(_EXIF_ORIENTATION, 1)
            return _finish(np.asarray(ImageOps.exif_transpose(deep)), camera)
        return _finish(_to_rgba_or_rgb(ImageOps.exif_transpose(image)), camera)


def _bits_per_sample(image: Image.Image) -> tuple[int, ...]:
    bits = image.getexif().get(_TIFF_BITS_PER_SAMPLE, 1)
    return bits if isinstance(bits, tuple) and bits else (int(bits),)


def _to_rgba_or_rgb(image: Image.Image) -> Pixels:
    if image.mode.startswith("I"):  # 16-bit grey, held by Pillow as I;16 or as 32-bit I
        grey = np.asarray(image).astype(np.float64) / 257
        return np.repeat(np.rint(np.clip(grey, 0, 255)).astype(np.uint8)[..., None], 3, axis=2)
    has_alpha = "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info
    alpha = image.convert("RGBA").getchannel("A") if has_alpha else None
    colour = _to_srgb(image)
    if alpha is not None:
        colour.putalpha(alpha)
    return np.asarray(colour)


def _to_srgb(image: Image.Image) -> Image.Image:
    """Convert to sRGB by the embedded profile; a missing or unusable profile counts as sRGB."""
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "L", "CMYK"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # the picture itself is sound: the plain conversion below serves
    return image.convert("RGB")


def _read_deep_tiff(path: Path) -> Pixels:
    samples = tifffile.imread(path)
    if samples.ndim == 2:
        samples = samples[..., None]
    if samples.ndim != 3 or samples.shape[2] not in (1, 3, 4):
        raise PhotoError(f"a TIFF of shape {samples.shape} came, a grey, RGB or RGBA picture was expected; convert it")
    if samples.dtype == np.uint8:
        scaled = samples.astype(np.float64)
    elif samples.dtype == np.uint16:
        scaled = samples / 257
    elif samples.dtype.kind == "f":
        scaled = np.nan_to_num(samples.astype(np.float64)) * 255
    else:
        raise PhotoError(f"a TIFF with {samples.dtype} samples came, 8, 16 bits or float were expected; convert it")
    pixels = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def _finish(samples: Pixels, camera: str) -> Photo:
    opaque = samples[..., 3] == 255 if samples.shape[2] == 4 else None
    pixels = np.ascontiguousarray(samples[..., :3])
    digest = hashlib.sha256(f"{pixels.shape[1]}x{pixels.shape[0]}".encode())
    digest.update(pixels.data)
    return Photo(pixels, opaque, camera, digest.hexdigest())
