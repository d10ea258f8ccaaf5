"""PSD and PSB: the flattened picture behind the layers, and the image resources (Adobe's file format specification)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.client.protocol import Size
from server.errors import NotAnImage
from server.images import limits
from server.images.colours import from_lab, narrowed
from server.images.formats import tiff_pixels
from server.images.metadata import exif, photoshop
from server.images.photo import Photo

SIGNATURE = b"8BPS"
BITMAP, GREY, INDEXED, RGB, CMYK, DUOTONE, LAB = 0, 1, 2, 3, 4, 8, 9
COLOURS = {BITMAP: 1, GREY: 1, INDEXED: 1, RGB: 3, CMYK: 4, DUOTONE: 1, LAB: 3}  # samples of a pixel, by mode
STORED = {1: "u1", 8: "u1", 16: ">u2", 32: ">f4"}  # a sample in the file, by its bits
PACK_BITS = 32773  # TIFF's number
RESOLUTION, VERSION, PROFILE, EXIF, XMP = 1005, 1057, 1039, 1058, 1060
ALPHA_NAMES = (1006, 1045)
MERGED_TRANSPARENCY = (b"8BIMMtrn", b"8BIMMt16", b"8BIMMt32")
# How the layers and channels are stored, which is not kept.
STORAGE = (1007, 1024, 1026, 1046, 1047, 1053, VERSION, 1059, 1067, 1069, 1072, 1077, *ALPHA_NAMES)
GONE = {1033: "The thumbnail", 1036: "The thumbnail", 1032: "The grid and the guides", 1050: "The slices",
        1065: "The layer comps", 1080: "The counts"}  # fmt: skip


@dataclass(frozen=True)
class _Head:
    """The header, and where the sections are."""

    size: Size
    samples: int  # of a pixel, as stored
    bits: int  # of a sample
    mode: int
    is_big: bool  # whether it is a PSB, whose lengths have 64 bits
    palette: bytes
    resources: list[tuple[int, bytes, bytes]]
    layers: int  # how many there are
    has_transparency: bool  # whether the first sample behind the colours is the flattened picture's alpha
    place: int  # of the flattened picture


def read(contents: bytes, name: str, max_pixels: int | None) -> Photo:
    """Read the flattened picture.

    Args:
        contents: of the file.
        name: what to call it in messages.
        max_pixels: refuse more, before decoding; None for no limit.

    Returns:
        The photo; CMYK is left to the caller.

    Raises:
        NotAnImage: it holds no flattened picture, or one that cannot be read.
    """
    head = _head_of(contents, name)
    count = COLOURS[head.mode]
    alpha = head.has_transparency and head.mode in (GREY, RGB, DUOTONE)
    kept = count + alpha
    stored = len(contents) - head.place
    sample_bytes = max(1, head.bits // 8)
    limits.check(name, head.size, max(kept, 3 if head.mode == INDEXED else 1), sample_bytes, max_pixels, stored,
                 64 * 3 * 8 * sample_bytes / head.bits)  # fmt: skip
    samples = _samples(contents, head, kept, name)
    photo = Photo(samples)
    _take(head, photo)
    extra = head.samples - kept
    if extra:
        photo.notices.append(f"{extra} channel{'s' * (extra > 1)} beside the colours left out.")
    if head.layers:
        photo.notices.append(
            f"The flattened picture is enlarged; its {head.layers} layer{'s' * (head.layers > 1)} left out."
        )
    _settle_colours(photo, head, alpha)
    return photo


def _head_of(contents: bytes, name: str) -> _Head:
    try:
        version, samples, height, width, bits, mode = struct.unpack_from(">4xH6xHIIHH", contents)
        is_big = version == 2
        palette, place = _section(contents, 26, ">I")
        block, place = _section(contents, place, ">I")
        layers, place = _section(contents, place, ">Q" if is_big else ">I")
    except struct.error:
        raise NotAnImage(f"{name} is a PSD that ends in its header; expected a whole file; get it anew.") from None
    if mode not in COLOURS or bits not in STORED or (mode == LAB and bits == 32) or samples < COLOURS[mode]:
        raise NotAnImage(
            f"{name} is a PSD of mode {mode} with {samples} channels of {bits} bits; expected bitmap, grey, indexed, "
            "RGB, CMYK, duotone or Lab; convert it first."
        )
    resources = photoshop.resources(block)
    found = {number: value for number, value, _ in resources}
    if found.get(VERSION, b"\0\0\0\0\1")[4:5] == b"\0":
        raise NotAnImage(f"{name} holds layers alone; expected a flattened picture; save it for maximum compatibility.")
    number = _layer_count(layers, is_big)
    names = b"".join(found.get(each, b"").replace(b"\0", b"")[:20] for each in ALPHA_NAMES)
    told = number < 0 or b"Transparency" in names or any(key in layers for key in MERGED_TRANSPARENCY)
    has_transparency = told and samples > COLOURS[mode]
    size = Size(width, height)
    return _Head(size, samples, bits, mode, is_big, palette, resources, abs(number), has_transparency, place)


def _section(contents: bytes, place: int, form: str) -> tuple[bytes, int]:
    """Return a section that its length precedes, and where the next one begins."""
    (length,) = struct.unpack_from(form, contents, place)
    start = place + struct.calcsize(form)
    return contents[start : start + length], start + length


def _layer_count(section: bytes, is_big: bool) -> int:
    """Return how many layers there are, below 0 where the flattened picture has transparency."""
    for before in (b"8BIMLr16", b"8BIMLr32"):  # layers of more than 8 bits lie in a block of their own
        place = section.find(before)
        if place >= 0:
            place += len(before) + (8 if is_big else 4)
            return int.from_bytes(section[place : place + 2], "big", signed=True)
    place = 8 if is_big else 4
    return int.from_bytes(section[place : place + 2], "big", signed=True) if any(section[:place]) else 0


def _samples(contents: bytes, head: _Head, kept: int, name: str) -> NDArray[Any]:
    """Decode the first `kept` channels to (H, W, kept); bitmaps to 0 and 255."""
    width, height = head.size.width, head.size.height
    row = -(-width * head.bits // 8)
    compression = int.from_bytes(contents[head.place : head.place + 2], "big")
    place = head.place + 2
    if compression == 1:
        form = np.dtype(">u4" if head.is_big else ">u2")
        rows = height * head.samples
        lengths = np.frombuffer(contents[place : place + rows * form.itemsize], form).astype(np.int64)
        if len(lengths) < rows:
            raise _cut_off(name)
        counts = lengths.reshape(head.samples, height).sum(axis=1).tolist()
        place += rows * form.itemsize
    elif compression == 0:
        counts = [row * height] * head.samples
    else:
        raise NotAnImage(f"{name} is compressed in a way that cannot be read ({compression}); save it anew.")
    planes = []
    for count in counts[:kept]:
        plane = contents[place : place + count]
        if len(plane) < count:
            raise _cut_off(name)
        planes.append(_plane(plane, head, row, packed=compression == 1))
        place += count
    return np.stack(planes, axis=2)


def _cut_off(name: str) -> NotAnImage:
    return NotAnImage(f"{name} ends before its flattened picture does; expected a whole file; get it anew.")


def _plane(data: bytes, head: _Head, row: int, *, packed: bool) -> NDArray[Any]:
    width, height = head.size.width, head.size.height
    if packed:
        data = tiff_pixels.unpacked_bytes(data, PACK_BITS, row, height)
    stored = np.frombuffer(data, STORED[head.bits], row * height // max(1, head.bits // 8)).reshape(height, -1)
    if head.bits == 1:
        return np.where(np.unpackbits(stored, axis=1)[:, :width], np.uint8(0), np.uint8(255))  # 1 is black
    return stored.astype(stored.dtype.newbyteorder("="))


def _take(head: _Head, photo: Photo) -> None:
    """Sort the image resources into a photo."""
    places = {PROFILE: "icc", EXIF: "exif", XMP: "xmp"}
    kept = []
    for number, value, whole in head.resources:
        if number in places:
            setattr(photo, places[number], value or None)
        elif number == RESOLUTION and len(value) >= 12:
            across, down = struct.unpack_from(">I4xI", value)
            photo.dpi = exif.density(across / 65536, down / 65536, 1.0)
        elif number in GONE:
            photo.notices.append(f"{GONE[number]} in Photoshop's image resources left out.")
        elif number not in STORAGE:
            kept.append(whole)
    photo.photoshop = b"".join(kept) or None


def _settle_colours(photo: Photo, head: _Head, alpha: bool) -> None:
    """Turn the samples as stored into grey, RGB or CMYK, straight where there is alpha."""
    if head.mode == INDEXED:
        table = np.frombuffer(head.palette[:768].ljust(768, b"\0"), np.uint8).reshape(3, 256).T
        photo.samples = table[photo.samples[:, :, 0]]
        photo.notices.append("The palette was converted to RGB.")
    elif head.mode == CMYK:
        white = 1 if photo.samples.dtype.kind == "f" else np.iinfo(photo.samples.dtype).max
        photo.samples, photo.is_cmyk = white - photo.samples, True  # no ink is white in a PSD
    elif head.mode == LAB:
        photo.samples = from_lab(photo.samples, photo.notices)
        photo.icc = None
    elif alpha:
        photo.samples = _off_white(photo.samples)
    if head.mode == DUOTONE:
        photo.notices.append("The inks of the duotone were left out; the picture is grey.")
    photo.is_linear = head.bits == 32 and photo.icc is None


def _off_white(samples: NDArray[Any]) -> NDArray[Any]:
    """Take the white out that a flattened picture's transparent parts are mixed with; (H, W, S), the last is alpha."""
    white = np.float32(1 if samples.dtype.kind == "f" else np.iinfo(samples.dtype).max)
    alpha = samples[:, :, -1:].astype(np.float32) / white
    colour: NDArray[Any] = samples[:, :, :-1].astype(np.float64 if samples.dtype.kind == "f" else np.float32)
    straight = np.where(alpha > 0, (colour - (1 - alpha) * white) / np.where(alpha > 0, alpha, np.float32(1)), colour)
    if samples.dtype.kind == "f":
        straight = narrowed(straight, samples.dtype)
    else:
        straight = np.rint(np.clip(straight, 0, white)).astype(samples.dtype)
    return np.concatenate([straight, samples[:, :, -1:]], axis=2)
