"""EXIF: what is kept of it, and the place it has in a TIFF that Pillow does not write. Pillow only.

Kept is what a file says about itself; what says how the picture is stored would be wrong in the result.
"""

from __future__ import annotations

import os
import struct
from typing import IO, Any

from PIL import Image, TiffImagePlugin

from server.images.photo import UPRIGHT

ORIENTATION, X_RESOLUTION, Y_RESOLUTION, UNIT = 0x0112, 282, 283, 296
EXIF_FOLDER, GPS_FOLDER = 0x8769, 0x8825
DESCRIPTIVE = (270, 271, 272, 305, 306, 315, 316, 33432)  # what a file says about itself, not how it is stored
STALE = (0xA002, 0xA003)  # width and height: they would be wrong, and are not needed
MARK = b"Exif\0\0"
PER_INCH = {2: 1.0, 3: 2.54}  # resolution units in inches: inch, centimetre
TIFF_HEAD = b"II*\0\x08\0\0\0"
ENTRY, LONG = 12, 4  # bytes of a directory's entry; TIFF's type number of 32 bits


def upright(exif: Image.Exif) -> bytes | None:
    """Return the tags that are kept, as a block that begins with its TIFF header, upright; None where nothing is."""
    kept = Image.Exif()
    kept.update({tag: value for tag, value in exif.items() if tag in DESCRIPTIVE})
    for folder in (EXIF_FOLDER, GPS_FOLDER):
        inside = {tag: value for tag, value in exif.get_ifd(folder).items() if tag not in STALE}
        if inside:
            kept.get_ifd(folder).update(inside)
            kept[folder] = kept.get_ifd(folder)
    if not len(kept):
        return None
    kept[ORIENTATION] = UPRIGHT
    return kept.tobytes().removeprefix(MARK)


def resolution(exif: Image.Exif) -> tuple[float, float] | None:
    """Return dots per inch across and down, where EXIF tells."""
    across, down, inches = exif.get(X_RESOLUTION), exif.get(Y_RESOLUTION), PER_INCH.get(exif.get(UNIT, 2))
    return (float(across) * inches, float(down) * inches) if across and down and inches else None


def with_resolution(block: bytes | None, dpi: tuple[float, float]) -> bytes:
    """Add dots per inch to what `upright` gave: for formats that have no other place for it."""
    exif = Image.Exif() if block is None else _loaded(block)
    exif[X_RESOLUTION], exif[Y_RESOLUTION], exif[UNIT] = dpi[0], dpi[1], 2
    return exif.tobytes().removeprefix(MARK)


def of_tiff(file: IO[bytes]) -> bytes | None:
    """Read what is kept from the first picture of an opened TIFF; not from a BigTIFF, which Pillow does not parse."""
    exif = Image.Exif()
    file.seek(0)
    exif.load_from_fp(file)
    return upright(exif)


def tags_for_tiff(block: bytes) -> list[tuple[int, Any, int, Any, bool]]:
    """Return the part of a block that tifffile writes, as its `extratags`."""
    exif = _loaded(block)
    return [(tag, "s", 0, str(exif[tag]).encode("utf-8"), True) for tag in DESCRIPTIVE if tag in exif]


def append_folders(file: IO[bytes], block: bytes) -> None:
    """Append a block's folders to a TIFF that tifffile wrote, which cannot, and a directory that names them.

    Args:
        file: open for reading and writing; little-endian, not a BigTIFF, of one picture.
        block: what `upright` gave.
    """
    exif = _loaded(block)
    file.seek(4)
    file.seek(*struct.unpack("<I", file.read(4)))
    (count,) = struct.unpack("<H", file.read(2))
    entries = [file.read(ENTRY) for _ in range(count)]
    for folder in (EXIF_FOLDER, GPS_FOLDER):
        inside = exif.get_ifd(folder)
        if inside:
            directory = TiffImagePlugin.ImageFileDirectory_v2(TIFF_HEAD, group=folder)
            directory.update(inside)
            place = _even_end(file)
            file.write(directory.tobytes(place))
            entries.append(struct.pack("<HHII", folder, LONG, 1, place))
    place = _even_end(file)
    ordered = sorted(entries, key=lambda entry: struct.unpack("<H", entry[:2]))
    file.write(struct.pack("<H", len(ordered)) + b"".join(ordered) + bytes(4))
    file.seek(4)
    file.write(struct.pack("<I", place))


def _loaded(block: bytes) -> Image.Exif:
    exif = Image.Exif()
    exif.load(MARK + block)
    return exif


def _even_end(file: IO[bytes]) -> int:
    if file.seek(0, os.SEEK_END) % 2:
        file.write(b"\0")
    return file.tell()
