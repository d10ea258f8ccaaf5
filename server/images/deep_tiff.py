"""TIFF with 16 bits or floating point, by tifffile; Pillow handles the rest."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from server.errors import NotAnImage, TooLarge
from server.images.photo import UPRIGHT, Photo, reset_xmp, turn_upright

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ORIENTATION, X_RESOLUTION, Y_RESOLUTION, UNIT, XMP, EXIF_FOLDER, ICC = 274, 282, 283, 296, 700, 34665, 34675
KEPT = ("uint8", "uint16", "float16", "float32")
BYTES = 1  # TIFF's type number
PER_INCH = {2: 1.0, 3: 2.54}  # resolution units in inches: inch, centimetre
WHITE_IS_ZERO = 0


def is_deep(source: bytes | Path) -> bool:
    """Say whether this is a TIFF with more than 8 bits a sample."""
    if isinstance(source, bytes):
        start = source[:4]
    else:
        with source.open("rb") as file:
            start = file.read(4)
    if start not in MAGIC:
        return False
    with tifffile.TiffFile(_opened(source)) as tiff:
        page: Any = tiff.pages[0]
        return bool(np.max(page.bitspersample) > 8)


def read(source: bytes | Path, name: str, max_pixels: int | None) -> Photo:
    """Read the first picture.

    Args:
        source: the file's contents, or where it lies.
        name: what to call it in messages.
        max_pixels: refuse more, before decoding; None for no limit.

    Returns:
        The photo, upright: u16, f16 or f32 (wider floats become f32).

    Raises:
        TooLarge: more pixels than the limit.
    """
    with tifffile.TiffFile(_opened(source)) as tiff:
        page: Any = tiff.pages[0]
        if max_pixels is not None and page.imagewidth * page.imagelength > max_pixels:
            raise TooLarge(
                f"{name} has {page.imagewidth}×{page.imagelength} pixels, the limit is {max_pixels / 1e6:g} MP; "
                "use the command line, or send a part."
            )
        notices = []
        if len(tiff.pages) > 1:
            notices.append("Only the first of several pictures in the file is enlarged.")
        if EXIF_FOLDER in page.tags:
            notices.append("EXIF was not kept: TIFF with more than 8 bits.")
        samples = turn_upright(_samples(page), _tag(page, ORIENTATION, UPRIGHT))
        return Photo(
            samples, _tag(page, ICC, None), None, reset_xmp(_as_bytes(_tag(page, XMP, None))), _dpi(page), notices
        )


def _samples(page: Any) -> NDArray[Any]:
    try:
        samples: NDArray[Any] = page.asarray()
    except ValueError as fault:
        raise NotAnImage(
            f"The TIFF's compression {page.compression.name} cannot be read ({str(fault)[:80]}); "
            "install imagecodecs, or save it uncompressed."
        ) from fault
    if samples.ndim == 2:
        samples = samples[:, :, None]
    elif page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and samples.ndim == 3:
        samples = np.moveaxis(samples, 0, 2)
    if samples.dtype == np.float64:
        samples = samples.astype(np.float32)
    if samples.dtype.name not in KEPT or samples.ndim != 3 or not 1 <= samples.shape[2] <= 4:
        raise NotAnImage(
            f"The TIFF has samples of {samples.dtype.name}, {samples.shape}; expected 8 or 16 bits or float, 1 to 4 a "
            "pixel; convert it first."
        )
    if page.photometric == WHITE_IS_ZERO and samples.dtype.kind == "u":
        samples = np.iinfo(samples.dtype).max - samples
    return samples.astype(samples.dtype.newbyteorder("="), copy=False)


def _opened(source: bytes | Path) -> io.BytesIO | Path:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _tag(page: Any, number: int, otherwise: Any) -> Any:
    found = page.tags.get(number)
    return otherwise if found is None else found.value


def _as_bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value if value is None else bytes(value)


def _dpi(page: Any) -> tuple[float, float] | None:
    across, down = (_tag(page, number, None) for number in (X_RESOLUTION, Y_RESOLUTION))
    inches = PER_INCH.get(int(_tag(page, UNIT, 2)))
    if not across or not down or inches is None or not across[1] or not down[1]:
        return None
    return across[0] / across[1] * inches, down[0] / down[1] * inches


def write(file: IO[bytes], photo: Photo) -> None:
    """Write samples, profile, XMP and resolution, compressed by zlib."""
    samples = photo.samples
    count = samples.shape[2]
    extra = [] if photo.xmp is None else [(XMP, BYTES, len(photo.xmp), photo.xmp, True)]
    tifffile.imwrite(
        file,
        samples[:, :, 0] if count == 1 else samples,
        photometric="rgb" if count >= 3 else "minisblack",
        planarconfig=None if count == 1 else "contig",
        extrasamples=["unassalpha"] if count in (2, 4) else None,
        compression="zlib",
        iccprofile=photo.icc,
        resolution=photo.dpi,
        resolutionunit="INCH" if photo.dpi else None,
        metadata=None,
        software=False,
        extratags=extra,
    )
