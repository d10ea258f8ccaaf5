"""Colours that our formats do not keep: CMYK, L*a*b*, palettes and YCbCr; and profiles that do not fit the colours."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import Image, ImageCms

from server.errors import NotAnImage
from server.images.metadata import icc as profiles
from server.images.photo import Photo
from server.images.srgb import to_srgb

PLAIN_MODES = ("L", "LA", "RGB", "RGBA", "CMYK")
NAMES = {"P": "The palette", "PA": "The palette", "YCbCr": "YCbCr"}
COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP")  # of PNG
# Primaries and transfers that are shown as sRGB: unspecified, those of television, sRGB's own.
AS_SRGB = (1, 2, 5, 6), (1, 2, 6, 13, 14, 15)
SPACE_OF = {1: "GRAY", 2: "GRAY", 3: "RGB", 4: "RGB"}


def plain(image: Image.Image) -> tuple[NDArray[Any], list[str]]:
    """Decode an opened image of any mode.

    Args:
        image: Pillow's, of 8 bits or fewer.

    Returns:
        Samples (H, W, S), CMYK as it is; and sentences about what was converted.

    Raises:
        NotAnImage: its colours are none that can be converted.
    """
    image.load()
    has_key = "transparency" in image.info
    notices: list[str] = []
    if image.mode == "LAB":
        return from_lab(np.asarray(image), notices), notices
    if image.mode in NAMES:
        notices.append(f"{NAMES[image.mode]} was converted to RGB.")
    if image.mode not in PLAIN_MODES or has_key:
        if image.mode in ("I", "F", "I;16"):
            raise NotAnImage(f"Pictures of Pillow's mode {image.mode} are not read; convert the file to 8 or 16 bits.")
        grey = image.mode in ("1", "L")
        alpha = has_key or image.mode in ("PA", "La", "RGBa")
        image = image.convert(("LA" if alpha else "L") if grey else "RGBA" if alpha else "RGB")
    samples = np.asarray(image)
    return (samples[:, :, None] if samples.ndim == 2 else samples), notices


def from_lab(samples: NDArray[Any], notices: list[str], *, is_signed: bool = False) -> NDArray[np.uint8]:
    """Convert L*a*b* to sRGB.

    Args:
        samples: u8 or u16, (H, W, 3), or 4 with alpha.
        notices: what is said about it is put here.
        is_signed: whether a and b are signed numbers; else their middle is neutral.

    Returns:
        RGB, with the alpha as it was.

    Raises:
        NotAnImage: they cannot be converted.
    """
    if samples.dtype.kind != "u":
        raise NotAnImage("Floating point L*a*b* is not read; expected 8 or 16 bits; convert the file to RGB first.")
    told = "CIELAB was converted to sRGB."
    if samples.dtype == np.uint16:
        samples, told = (samples >> 8).astype(np.uint8), "CIELAB was converted to sRGB, with 8 bits."
    bands = [Image.fromarray(np.ascontiguousarray(samples[:, :, each])) for each in range(3)]
    if is_signed:
        bands[1:] = [Image.fromarray(samples[:, :, each] ^ np.uint8(128)) for each in (1, 2)]
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(Image.merge("LAB", bands), lab, srgb, outputMode="RGB")
    if converted is None:
        raise NotAnImage("L*a*b* colours could not be converted; convert the file to RGB first.")
    notices.append(told)
    colour, (_, a, b) = np.array(converted), (np.asarray(band) for band in bands)
    grey = (a == 128) & (b == 128)  # which the conversion's rounding tints
    colour[grey] = colour[grey, 1:2]
    return np.concatenate([colour, samples[:, :, 3:]], axis=2)


def from_cmyk(photo: Photo) -> None:
    """Convert a photo's CMYK to sRGB by its profile, or without one where it has none that can be used; alpha stays."""
    samples = photo.samples
    if samples.dtype != np.uint8:
        white = np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1
        samples = np.rint(np.clip(np.nan_to_num(samples / np.float32(white)), 0, 1) * 255).astype(np.uint8)
    height, width = samples.shape[:2]
    image = Image.frombytes("CMYK", (width, height), samples[:, :, :4].tobytes())
    converted = None
    if photo.icc is not None and profiles.space_of(photo.icc) == "CMYK":
        converted = to_srgb(image, photo.icc)
    if converted is not None:
        photo.notices.append("CMYK was converted to sRGB by its profile, with 8 bits.")
    else:
        if photo.icc is not None:
            photo.notices.append("The colour profile was left out: it is damaged, or not one for CMYK.")
        photo.notices.append("CMYK was converted to RGB without a profile, with 8 bits.")
        converted = image.convert("RGB")
    photo.samples = np.concatenate([np.asarray(converted), samples[:, :, 4:]], axis=2)
    photo.icc, photo.is_cmyk = None, False


def narrowed(samples: NDArray[Any], kind: DTypeLike) -> NDArray[Any]:
    """Return samples as floats of another kind; what is finite stays so."""
    largest = np.finfo(kind).max
    return np.where(np.isfinite(samples), np.clip(samples, -largest, largest), samples).astype(kind)


def check_profile(photo: Photo) -> None:
    """Leave a profile out that is damaged, or that is for other colours and can be of no use."""
    if photo.icc is None:
        return
    space = profiles.space_of(photo.icc)
    if space is None:
        photo.icc = None
        photo.notices.append("The colour profile was left out: it is damaged.")
    elif space != "RGB" and space != SPACE_OF[photo.samples.shape[2]]:
        photo.icc = None
        photo.notices.append(f"The colour profile was left out: it is for {space}, not for these colours.")


def profile_for(photo: Photo, kind: str, *, is_rgb: bool) -> tuple[bytes | None, list[str]]:
    """Return the profile that goes with a photo's colours as a format stores them.

    Args:
        photo: as it was read.
        kind: the format.
        is_rgb: whether grey is stored as RGB.

    Returns:
        The profile, and sentences about what was changed or left out.
    """
    icc, notices = photo.icc, []
    if kind != "PNG":
        made, told = _of_chunks(photo)
        icc = made or icc
        notices += [told] if told else []
    if icc is None:
        return None, notices
    space = profiles.space_of(icc)
    wanted = "RGB" if is_rgb else SPACE_OF[photo.samples.shape[2]]
    if space == wanted:
        return icc, notices
    if space == "GRAY":
        rewritten = profiles.for_rgb(icc)
        if rewritten is not None:
            return rewritten, [*notices, f"The grey colour profile was written anew for RGB: {kind} holds no grey."]
    return None, [*notices, f"The colour profile was left out: it is for {space}, and {kind} stores {wanted} here."]


def of_video_signal(primaries: int, transfer: int, samples: int) -> tuple[bytes | None, list[str]]:
    """Make a profile of what HEIC, AVIF and JPEG XL may tell instead of one.

    Args:
        primaries: ISO/IEC 23091-2's number of the colour primaries.
        transfer: its number of the transfer characteristics.
        samples: of a pixel.

    Returns:
        The profile, None for sRGB and for what is shown as sRGB; and sentences about what could not be kept.
    """
    if primaries in AS_SRGB[0] and transfer in AS_SRGB[1]:
        return None, []
    profile = profiles.of_cicp(bytes([primaries % 256, transfer % 256, 0, 1]), 1 if samples <= 2 else 3)
    if profile is None:
        return None, [f"Colours of an unknown kind (CICP {primaries}/{transfer}) were taken as sRGB."]
    return profile, [f"What the file tells of its colours (CICP {primaries}/{transfer}) became a colour profile."]


def _of_chunks(photo: Photo) -> tuple[bytes | None, str | None]:
    """Make a profile of the chunks that tell the colour, for formats that have no such chunks.

    Args:
        photo: as it was read.

    Returns:
        The profile (None where there is one already, or none can be made), and what its notice says.
    """
    found = dict(each for each in photo.chunks if each[0] in COLOUR_CHUNKS)
    if not found:
        return None, None
    names = ", ".join(name.decode() for name in found)
    count = 1 if photo.samples.shape[2] <= 2 else 3
    chromaticities = found.get(b"cHRM", b"")
    primaries = None
    if len(chromaticities) == 32:
        values = tuple(each / 100_000 for each in struct.unpack(">8I", chromaticities))
        primaries = values if all(0 < y < 1 for y in values[1::2]) and all(x < 1 for x in values[::2]) else None
    if b"cICP" in found:
        profile = profiles.of_cicp(found[b"cICP"], count)
        if profile is not None:
            return profile, f"PNG's {names} became a colour profile."
    if photo.icc is not None:
        return None, f"PNG's {names} was left out: the colour profile tells the same."
    if b"sRGB" in found or b"cICP" in found:
        if b"cICP" in found:
            return None, f"PNG's {names} was left out: its numbers are not known, and other formats have no place."
        return profiles.srgb(None, count), f"PNG's {names} became a colour profile."
    exponent = int.from_bytes(found.get(b"gAMA", b"\0"), "big") / 100_000
    if 0.01 < exponent < 10:
        if abs(exponent - 0.45455) < 0.002:
            return profiles.srgb(primaries, count), f"PNG's {names} became a colour profile."
        return profiles.of_gamma(1 / exponent, primaries, count), f"PNG's {names} became a colour profile."
    if primaries is not None:
        return profiles.srgb(primaries, count), f"PNG's {names} became a colour profile."
    return None, f"PNG's {names} was left out: it tells nothing that can be used."
