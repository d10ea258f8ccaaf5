"""What a picture may take, by its header alone: checked before anything of its size is allocated, for every format."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys

from server.client.protocol import Size
from server.errors import NotAnImage, TooLarge, WrongParameter
from server.images.formats.codecs import PACKAGE

MOST_BYTES = 16  # of a pixel: four samples of 32 bits; a limit of pixels is a limit of so many bytes
MOST_SAMPLES = 16  # of a pixel
BESIDE_PIXELS = 128 << 20  # bytes of a file that may be there for other things than its pixels
REMEDY = "raise the server's --max-megapixels (a file over HTTP: 64 at most), or enlarge a part of it"
IN_MEMORY = 5  # times its bytes that a picture takes with its ×2 result
LARGEST_SIDE = {"JPEG": 65500, "WEBP": 16383, "AVIF": 65535, "PNG": 2**31 - 1, "JXL": 2**30 - 1, "TIFF": 2**31 - 1}


def check(
    name: str, size: Size, samples: int, sample_bytes: float, max_pixels: int | None, stored: int, densest: float
) -> None:
    """Refuse a picture that is too large, or whose file is too short to hold it.

    Args:
        name: what to call the file in messages.
        size: of the picture.
        samples: of a pixel, with all that will be dropped.
        sample_bytes: bytes of one in memory.
        max_pixels: the limit; None for none.
        stored: bytes of the file that hold pixels.
        densest: bytes of pixels that one of these can stand for.

    Raises:
        TooLarge: beyond the limit.
        NotAnImage: no file of this length can hold so many pixels.
    """
    width, height = size.width, size.height
    if width < 1 or height < 1:
        raise NotAnImage(f"{name} has {width}×{height} pixels; expected at least one; check the file.")
    if max_pixels is not None and width * height > max_pixels:
        raise TooLarge(
            f"{name} has {width}×{height} = {width * height / 1e6:.1f} megapixels, the limit is {max_pixels / 1e6:g}; "
            f"{REMEDY}."
        )
    if samples > MOST_SAMPLES:
        raise NotAnImage(f"{name} has {samples} samples a pixel; expected at most {MOST_SAMPLES}; convert it first.")
    needed = width * height * samples * sample_bytes
    if max_pixels is not None and needed > max_pixels * MOST_BYTES:
        raise TooLarge(
            f"{name} takes {needed / 1e6:.0f} MB when it is decoded, the limit is {max_pixels * MOST_BYTES / 1e6:.0f}; "
            f"convert it to 8 or 16 bits, or {REMEDY}."
        )
    most = memory()
    if most is not None and needed * IN_MEMORY > most:
        raise TooLarge(
            f"{name} takes {needed * IN_MEMORY / 1e9:.1f} GB of memory with its result, this machine has "
            f"{most / 1e9:.1f}; enlarge a part of it."
        )
    if needed > stored * densest + (1 << 16):
        raise NotAnImage(
            f"{name} says that it has {width}×{height} pixels, but its {stored} bytes cannot hold them; check the file."
        )


def check_file(name: str, length: int, max_pixels: int | None) -> None:
    """Refuse a file of more bytes than the largest picture takes, before it is read.

    Args:
        name: what to call the file in messages.
        length: its bytes.
        max_pixels: the limit; None for none.

    Raises:
        TooLarge: beyond the limit.
    """
    most = None if max_pixels is None else max_pixels * MOST_BYTES + BESIDE_PIXELS
    if most is not None and length > most:
        raise TooLarge(
            f"{name} has {length / 1e6:.0f} MB, the limit is {most / 1e6:.0f}, what the largest picture takes; "
            f"save the picture alone, or {REMEDY}."
        )


def memory() -> int | None:
    """Return the bytes of memory of this machine; None where the system does not tell."""
    if sys.platform != "win32":
        with contextlib.suppress(ValueError, OSError):
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def check_result(size: Size, kind: str, pixel_bytes: int) -> None:
    """Refuse a result that its format or this machine cannot hold; call it before anything is computed.

    Args:
        size: of the result.
        kind: its format.
        pixel_bytes: bytes of one of its pixels in memory.

    Raises:
        WrongParameter: a side is longer than the format allows, or what writes it is not installed.
        TooLarge: it takes more than the memory.
    """
    if kind == "JXL" and importlib.util.find_spec("imagecodecs") is None:
        raise WrongParameter(f"Writing JPEG XL needs {PACKAGE}; write PNG or WebP.")
    if max(size.width, size.height) > LARGEST_SIDE[kind]:
        raise WrongParameter(
            f"The result has {size.width}×{size.height} pixels, {kind} holds up to {LARGEST_SIDE[kind]} "
            "on a side; write PNG or TIFF."
        )
    most, needed = memory(), size.width * size.height * pixel_bytes
    if most is not None and needed > most:
        raise TooLarge(
            f"The result of {size.width}×{size.height} pixels takes {needed / 1e9:.1f} GB of memory, this machine has "
            f"{most / 1e9:.1f}; choose a smaller size, or enlarge a part of it."
        )
