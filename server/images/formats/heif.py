"""HEIC, read through libheif by the package pi-heif, the extra `heic`: the primary picture, as its file turns it."""

from __future__ import annotations

import importlib
import io
import re
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.client.protocol import Size
from server.errors import NotAnImage
from server.images import colours, limits
from server.images.formats.codecs import stretched
from server.images.formats.tiff import straight
from server.images.metadata import exif
from server.images.metadata import xmp as packets
from server.images.photo import Photo

INSTALL = 'reading it needs the package pi-heif (pip install "neural-upscale[heic]")'
BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
CODED_SIZE = re.compile(rb"ispe\0{4}(.{8})", re.DOTALL)
SPARSEST = 1e6  # flat pictures take next to nothing


def read(contents: bytes, name: str, max_pixels: int | None) -> Photo:
    """Read the primary picture.

    Args:
        contents: of the file.
        name: what to call it in messages.
        max_pixels: refuse more, before decoding; None for no limit.

    Returns:
        The photo: u8, or u16 where it has more than 8 bits.

    Raises:
        NotAnImage: pi-heif is not installed, or cannot read the file.
    """
    try:
        library = importlib.import_module("pi_heif")
    except ImportError:
        raise NotAnImage(f"{name} is HEIC; {INSTALL}, or convert it to JPEG first.") from None
    file = library.open_heif(io.BytesIO(contents), convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = file[file.primary_index]
    bits = image.info["bit_depth"]
    # What is decoded may be larger than what is shown of it; libheif refuses pixels that are more than the file tells.
    for size in (Size(*image.size), _largest(contents)):
        limits.check(name, size, 4, 1 if bits <= 8 else 2, max_pixels, len(contents), SPARSEST)
    photo = Photo(_samples(image, bits))
    _take(image.info, photo)
    _tell_what_is_beside(file, image.info, photo)
    return photo


def _largest(contents: bytes) -> Size:
    """Return the largest size that the file tells of a coded picture."""
    sizes = [Size(*struct.unpack(">II", found[1])) for found in CODED_SIZE.finditer(contents)]
    return max(sizes, key=lambda size: size.width * size.height, default=Size(1, 1))


def _samples(image: Any, bits: int) -> NDArray[Any]:
    """Decode to (H, W, S), straight where there is alpha, 16 bits where there are more than 8."""
    samples = np.array(image)
    samples = samples[:, :, None] if samples.ndim == 2 else samples
    if bits > 8:
        samples = stretched(samples, bits)
    return straight(samples) if image.premultiplied_alpha else samples


def _take(told: dict[str, Any], photo: Photo) -> None:
    """Take what the file says about its picture; its own turn counts, not the one that EXIF or XMP tell."""
    block = (told.get("exif") or b"").removeprefix(exif.MARK)
    photo.exif = exif.upright(block, turned=False)[0] if block else None
    photo.xmp = packets.upright(told["xmp"]) if told.get("xmp") else None
    photo.icc = told.get("icc_profile") or None
    signal = told.get("nclx_profile")
    if photo.icc is None and signal:
        numbers = signal["color_primaries"], signal["transfer_characteristics"]
        photo.icc, notices = colours.of_video_signal(*numbers, photo.samples.shape[2])
        photo.notices += notices


def _tell_what_is_beside(file: Any, told: dict[str, Any], photo: Photo) -> None:
    names = [str(name).lower() for name in told.get("aux", {})]
    if any("gainmap" in name for name in names):
        photo.notices.append("The gain map for high dynamic range was left out.")
    if told["depth_images"]:
        photo.notices.append("The depth map was left out.")
    further = [name for name in names if not any(word in name for word in ("gainmap", "depth", "alpha"))]
    if further:
        photo.notices.append(f"Pictures beside the picture were left out ({', '.join(sorted(further))}).")
    if told["thumbnails"]:
        photo.notices.append("The thumbnail was left out.")
    if told["metadata"]:
        kinds = sorted({str(each["type"]) for each in told["metadata"]})
        photo.notices.append(f"What the file holds as {', '.join(kinds)} was left out.")
    if told.get("pixel_aspect_ratio"):
        photo.notices.append("The aspect ratio of pixels was left out.")
    if len(file) > 1:
        photo.notices.append(f"Only one of {len(file)} pictures in the file is enlarged; {len(file) - 1} left out.")
