"""Image files ↔ photos: PNG, JPEG, TIFF, WebP, with profile, EXIF, XMP and resolution. Pillow and tifffile; no network.

Orientation is applied once and reset. Palettes and CMYK are converted, and a notice says so.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, TiffImagePlugin

from server.client.files import replacing
from server.errors import InternalFault, NotAnImage, ServerError, TooLarge, WrongParameter
from server.images import exif as exif_block
from server.images import png16, tiff
from server.images.photo import UPRIGHT, Photo, reset_xmp, turn_upright
from server.images.srgb import to_srgb

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP"}
LARGEST_SIDE = {"JPEG": 65535, "WEBP": 16383, "PNG": 2**31 - 1, "TIFF": 2**31 - 1}
PLAIN_MODES = ("L", "LA", "RGB", "RGBA")
XMP_TAG = 700


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
    """
    Image.MAX_IMAGE_PIXELS = None  # the limit is checked here, from the header, without a warning
    try:
        if tiff.is_deep(source):
            return tiff.read(source, name, max_pixels)
        with _open(source) as image:
            if image.format not in LARGEST_SIDE:
                raise NotAnImage(f"{name} is {image.format}; expected PNG, JPEG, TIFF or WebP; convert it first.")
            _check_size(image, name, max_pixels)
            return _read(source, image)
    except ServerError:
        raise
    except Exception as fault:  # decoders of foreign bytes raise whatever they like
        raise NotAnImage(
            f"{name} cannot be read as an image ({str(fault)[:100] or type(fault).__name__}); "
            "expected PNG, JPEG, TIFF or WebP; check the file."
        ) from fault


def _check_size(image: Image.Image, name: str, max_pixels: int | None) -> None:
    width, height = image.size
    if max_pixels is not None and width * height > max_pixels:
        raise TooLarge(
            f"{name} has {width}×{height} = {width * height / 1e6:.1f} megapixels, the limit is {max_pixels / 1e6:g}; "
            "use the command line, or send a part."
        )


def _open(source: bytes | Path) -> Image.Image:
    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


def _read(source: bytes | Path, image: Image.Image) -> Photo:
    notices: list[str] = []
    deep = png16.is_deep(image)  # asked first: reading EXIF loads a PNG
    if image.format == "TIFF":
        image.load()  # turns it upright by itself, and says so in the EXIF
    exif = image.getexif()
    orientation = exif.get(exif_block.ORIENTATION, UPRIGHT)
    dpi = image.info.get("dpi") or exif_block.resolution(exif)
    xmp, icc = image.info.get("xmp"), image.info.get("icc_profile")
    if getattr(image, "n_frames", 1) > 1:
        notices.append("Only the first of several pictures in the file is enlarged.")
    if deep:
        samples: NDArray[Any] = png16.read(lambda: _open(source))
        samples = _with_key_alpha(samples, image.info.get("transparency"))
    else:
        image, icc = _to_plain(image, icc, notices)
        samples = np.asarray(image)
        samples = samples[:, :, None] if samples.ndim == 2 else samples
    return Photo(
        turn_upright(samples, orientation), icc, exif_block.upright(exif), reset_xmp(xmp),
        None if dpi is None else (float(dpi[0]), float(dpi[1])), notices,
    )  # fmt: skip


def _to_plain(image: Image.Image, icc: bytes | None, notices: list[str]) -> tuple[Image.Image, bytes | None]:
    if image.mode in PLAIN_MODES and "transparency" not in image.info:
        return image, icc
    if image.mode == "1":
        return image.convert("L"), icc
    if image.mode == "CMYK" and icc:
        converted = to_srgb(image, icc)
        if converted is not None:
            notices.append("CMYK was converted to sRGB by its profile, with 8 bits.")
            return converted, None
    transparent = "transparency" in image.info or image.mode in ("PA", "La", "RGBa")
    if image.mode == "L":
        return image.convert("LA"), icc
    if image.mode not in PLAIN_MODES:
        what = "The palette" if image.mode in ("P", "PA") else image.mode
        notices.append(f"{what} was converted to RGB{', with 8 bits' if image.mode == 'CMYK' else ''}.")
    return image.convert("RGBA" if transparent else "RGB"), None if image.mode == "CMYK" else icc


def _with_key_alpha(samples: NDArray[Any], key: int | tuple[int, ...] | None) -> NDArray[Any]:
    """Turn a PNG's transparent colour into an alpha channel."""
    if key is None or samples.shape[2] not in (1, 3):
        return samples
    alpha = np.where((samples == np.array(key, np.uint16)).all(axis=2), 0, 65535).astype(np.uint16)
    return np.concatenate([samples, alpha[:, :, None]], axis=2)


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
    """
    notices = list(photo.notices)
    if max(photo.samples.shape[:2]) > LARGEST_SIDE[kind]:
        raise WrongParameter(
            f"The result has {photo.size.width}×{photo.size.height} pixels, {kind} holds up to {LARGEST_SIDE[kind]} "
            "on a side; write PNG or TIFF."
        )
    deep = photo.samples.dtype != np.uint8
    if kind == "TIFF" and deep:
        return notices + tiff.write(file, photo)
    if kind == "PNG" and photo.samples.dtype == np.uint16:
        png16.write(file, photo.samples, png16.metadata_chunks(photo.icc, photo.exif, photo.xmp, photo.dpi))
        return notices
    samples = photo.samples
    if deep and kind == "PNG":
        notices.append("Float values were stored with 16 bits, clipped to 0…1.")
        whole = np.rint(np.clip(np.nan_to_num(samples.astype(np.float32)), 0, 1) * 65535).astype(np.uint16)
        png16.write(file, whole, png16.metadata_chunks(photo.icc, photo.exif, photo.xmp, photo.dpi))
        return notices
    if deep:
        notices.append(f"{kind} holds 8 bits a sample; the rest was rounded away.")
        samples = _to_eight_bits(samples)
    if kind == "JPEG" and samples.shape[2] in (2, 4):
        notices.append("JPEG has no transparency; the picture was put on white.")
        samples = _on_white(samples)
    try:
        _save(Image.fromarray(samples[:, :, 0] if samples.shape[2] == 1 else samples), photo, file, kind)
    except OSError:
        raise
    except Exception as fault:  # encoders raise whatever they like
        raise InternalFault(f"The result cannot be stored as {kind} ({str(fault)[:100]}); try PNG.") from fault
    return notices


def _save(image: Image.Image, photo: Photo, file: IO[bytes], kind: str) -> None:
    block = photo.exif
    if kind == "WEBP" and photo.dpi is not None:  # it has no other place for a resolution
        block = exif_block.with_resolution(block, photo.dpi)
    exif = None if block is None else exif_block.MARK + block
    options: dict[str, Any] = {"icc_profile": photo.icc, "exif": exif, "dpi": photo.dpi}
    if kind == "JPEG":
        options |= {"quality": 95, "subsampling": 0, "xmp": photo.xmp}
    elif kind == "WEBP":
        options |= {"quality": 95, "exact": True, "xmp": photo.xmp}
        image = image if image.mode in ("RGB", "RGBA") else image.convert("RGBA" if image.mode == "LA" else "RGB")
    elif kind == "PNG" and photo.xmp:
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", photo.xmp.decode("utf-8", "replace"))
        options["pnginfo"] = text
    elif kind == "TIFF":
        # libtiff, which compresses, cannot write EXIF through Pillow; Pillow's own writer can, uncompressed.
        options["compression"] = None if exif else "tiff_adobe_deflate"
        if photo.xmp:
            tags = TiffImagePlugin.ImageFileDirectory_v2()
            tags[XMP_TAG] = photo.xmp
            options["tiffinfo"] = tags
    image.save(file, kind, **{name: value for name, value in options.items() if value is not None})


def _to_eight_bits(samples: NDArray[Any]) -> NDArray[np.uint8]:
    white = 65535.0 if samples.dtype == np.uint16 else 1.0
    values = np.clip(np.nan_to_num(samples.astype(np.float32)) / white, 0, 1)
    whole: NDArray[np.uint8] = np.rint(values * 255).astype(np.uint8)
    return whole


def _on_white(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    alpha = samples[:, :, -1:].astype(np.float32) / 255
    mixed = samples[:, :, :-1] * alpha + 255 * (1 - alpha)
    return np.ascontiguousarray(np.rint(mixed).astype(np.uint8))


def save_photo(photo: Photo, path: Path, *, replace: bool = True) -> list[str]:
    """Write a photo in the format that its name asks for; the file is there whole, or not at all.

    Args:
        photo: pixels and everything kept beside them.
        path: where to.
        replace: whether what lies there may be replaced.

    Returns:
        The notices of `write_photo`.

    Raises:
        FileExistsError: something lies there that may not be replaced.
    """
    with replacing(path, replace=replace) as file:
        return write_photo(photo, file, format_of(path))
