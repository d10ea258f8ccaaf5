"""TIFF with 16 bits or floating point, by tifffile; Pillow handles the rest."""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import tifffile
from numpy.typing import NDArray

from server.errors import NotAnImage, TooLarge
from server.images import exif, inflation
from server.images.photo import UPRIGHT, Photo, reset_xmp, turn_upright

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
XMP, ICC = 700, 34675
KEPT = ("uint8", "uint16", "float16", "float32")
BYTES = 1  # TIFF's type number
WHITE_IS_ZERO, BLACK_IS_ZERO, RED_GREEN_BLUE, CMYK = 0, 1, 2, 5  # TIFF's photometric interpretations
PREMULTIPLIED = 1  # of TIFF's kinds of extra samples
BIG = 0xF0000000  # bytes of samples from which on tifffile writes a BigTIFF, whose EXIF few can read


def is_deep(source: bytes | Path) -> bool:
    """Return whether this is a TIFF with more than 8 bits a sample; CMYK is not counted, because Pillow converts it."""
    if isinstance(source, bytes):
        start = source[:4]
    else:
        with source.open("rb") as file:
            start = file.read(4)
    if start not in MAGIC:
        return False
    with tifffile.TiffFile(_opened(source)) as tiff:
        page: Any = tiff.pages[0]
        return bool(np.max(page.bitspersample) > 8) and page.photometric != CMYK


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
        if _has_second(tiff):
            notices.append("Only the first of several pictures in the file is enlarged.")
        if page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RED_GREEN_BLUE):
            raise NotAnImage(
                f"{name} holds {page.photometric.name} colours; expected grey, RGB or CMYK; convert it first."
            )
        inflation.check(page, name)
        samples = turn_upright(_samples(page), _tag(page, exif.ORIENTATION, UPRIGHT))
        block = None
        if not tiff.is_bigtiff:
            block = exif.of_tiff(cast(IO[bytes], tiff.filehandle))
        elif exif.EXIF_FOLDER in page.tags:
            notices.append("EXIF was not kept: BigTIFF.")
        xmp = reset_xmp(_as_bytes(_tag(page, XMP, None)))
        return Photo(samples, _tag(page, ICC, None), block, xmp, _dpi(page), notices)


def _has_second(tiff: tifffile.TiffFile) -> bool:
    """Look for one more picture only: a file may name millions."""
    try:
        return tiff.pages[1] is not None
    except IndexError:
        return False


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
    samples = samples.astype(samples.dtype.newbyteorder("="), copy=False)
    if samples.shape[2] in (2, 4) and PREMULTIPLIED in page.extrasamples:
        return _straight(samples)
    return samples


def _straight(samples: NDArray[Any]) -> NDArray[Any]:
    """Divide colours by the alpha that they were multiplied with; under full transparency they stay."""
    white = np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1
    alpha = samples[:, :, -1:].astype(np.float32) / white
    colour = samples[:, :, :-1] / np.where(alpha > 0, alpha, np.float32(1))
    if samples.dtype.kind == "u":
        colour = np.rint(np.minimum(colour, white))
    return np.concatenate([colour.astype(samples.dtype), samples[:, :, -1:]], axis=2)


def _opened(source: bytes | Path) -> io.BytesIO | Path:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _tag(page: Any, number: int, otherwise: Any) -> Any:
    found = page.tags.get(number)
    return otherwise if found is None else found.value


def _as_bytes(value: Any) -> bytes | None:
    return value.encode() if isinstance(value, str) else value if value is None else bytes(value)


def _dpi(page: Any) -> tuple[float, float] | None:
    across, down = (_tag(page, number, None) for number in (exif.X_RESOLUTION, exif.Y_RESOLUTION))
    inches = exif.PER_INCH.get(int(_tag(page, exif.UNIT, 2)))
    if not across or not down or inches is None or not across[1] or not down[1]:
        return None
    return across[0] / across[1] * inches, down[0] / down[1] * inches


def write(file: IO[bytes], photo: Photo) -> list[str]:
    """Write samples and everything kept beside them, compressed by zlib.

    Args:
        file: open for writing and reading.
        photo: u16, f16 or f32.

    Returns:
        Sentences about what could not be kept.
    """
    samples = photo.samples
    count = samples.shape[2]
    block = photo.exif if samples.nbytes < BIG else None
    extra: list[Any] = [] if photo.xmp is None else [(XMP, BYTES, len(photo.xmp), photo.xmp, True)]
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
        byteorder="<",
        bigtiff=samples.nbytes >= BIG,
        extratags=extra + ([] if block is None else exif.tags_for_tiff(block)),
    )
    if block is not None:
        exif.append_folders(file, block)
    return ["EXIF was not kept: BigTIFF."] if photo.exif is not None and block is None else []
