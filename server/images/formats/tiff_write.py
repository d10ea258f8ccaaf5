"""Writes a TIFF around an EXIF block: the block lies where it lay, so that every offset in it stays true.

Behind it come the pixels, in strips packed by zlib, and the directory: the block's entries and those of the pixels.
"""

from __future__ import annotations

import struct
import zlib
from typing import IO, Any

from numpy.typing import NDArray

from server.images.formats import tiff_tags
from server.images.metadata import exif, ifd
from server.images.metadata.ifd import Entry, Structure
from server.images.photo import Photo

BIG = 0xF0000000  # bytes of samples from which on offsets of 64 bits are needed: a BigTIFF, whose EXIF few can read
STRAIGHT = 2  # of TIFF's kinds of extra samples
STRIP = 1 << 18  # bytes of a strip
RESOLUTION = (exif.X_RESOLUTION, exif.Y_RESOLUTION, exif.UNIT)


def write(photo: Photo, samples: NDArray[Any], file: IO[bytes]) -> list[str]:
    """Write samples and everything kept beside them.

    Args:
        photo: what is kept beside the pixels.
        samples: u8, u16, f16 or f32, (H, W, S).
        file: open for writing, at its start.

    Returns:
        Sentences about what could not be kept.
    """
    notices: list[str] = []
    is_big = samples.nbytes >= BIG
    block = photo.exif
    structure = exif.structure_of(block)
    if block is not None and (structure is None or is_big):
        notices.append("EXIF was left out: " + ("BigTIFF has no place for it." if is_big else "it is damaged."))
        block, structure = None, None
    order = structure.order if structure is not None else "<"
    writer = _Writer(file, order, is_big, block)
    entries = _entries(photo, samples, order)
    offsets, counts, rows = writer.strips(samples)
    entries += [writer.numbers(273, offsets), ifd.number(278, rows, order), writer.numbers(279, counts)]
    taken, lost = _of_block(block, structure, {entry.tag for entry in entries})
    notices += lost
    writer.directory(entries, taken)
    return notices


def _entries(photo: Photo, samples: NDArray[Any], order: str) -> list[Entry]:
    """Return the entries that tell what the pixels are, and those with a place of their own in TIFF."""
    height, width, count = samples.shape
    kinds = _sample_format(samples)
    shorts = struct.Struct(f"{order}{count}H")
    entries = [
        ifd.number(256, width, order), ifd.number(257, height, order),
        Entry(258, ifd.SHORT, count, shorts.pack(*[8 * samples.dtype.itemsize] * count)),
        ifd.number(259, 8, order), ifd.number(262, 2 if count >= 3 else 1, order),
        ifd.number(exif.ORIENTATION, exif.UPRIGHT, order), ifd.number(277, count, order), ifd.number(284, 1, order),
        Entry(339, ifd.SHORT, count, shorts.pack(*[kinds] * count)),
    ]  # fmt: skip
    if count in (2, 4):
        entries.append(ifd.number(338, STRAIGHT, order))
    if photo.dpi is not None:
        entries += exif.resolution_entries(photo.dpi, order)
    for tag, kind, value in (
        (tiff_tags.XMP, ifd.BYTE, photo.xmp), (tiff_tags.ICC, ifd.UNDEFINED, photo.icc),
        (tiff_tags.PHOTOSHOP, ifd.BYTE, photo.photoshop),
    ):  # fmt: skip
        if value:
            entries.append(Entry(tag, kind, len(value), value))
    return entries


def _sample_format(samples: NDArray[Any]) -> int:
    """Return TIFF's number for whole numbers or floating point."""
    return 3 if samples.dtype.kind == "f" else 1


def _of_block(block: bytes | None, structure: Structure | None, ours: set[int]) -> tuple[dict[int, bytes], list[str]]:
    """Return the block's entries that say something about the picture, as they are, and what the others were."""
    if block is None or structure is None:
        return {}, []
    entries, following = exif.raw_entries(block, structure)
    notices = ["The thumbnail in EXIF was left out: TIFF would count it as a second picture."] if following else []
    kept = {
        tag: entry
        for tag, entry in entries.items()
        if tag not in ours and (tag not in tiff_tags.STORAGE or tag in (ifd.EXIF_FOLDER, ifd.GPS_FOLDER))
    }
    lost = sorted({what for tag, what in tiff_tags.NOT_KEPT.items() if tag in kept})
    notices += [f"TIFF: {what} of EXIF was left out." for what in lost]
    return {tag: entry for tag, entry in kept.items() if tag not in tiff_tags.NOT_KEPT}, notices


class _Writer:
    """Appends to a TIFF; the place of its directory is written last."""

    def __init__(self, file: IO[bytes], order: str, is_big: bool, block: bytes | None) -> None:
        self._file = file
        self._order = order
        self._is_big = is_big
        if is_big:
            file.write((b"II" if order == "<" else b"MM") + struct.pack(order + "HHHQ", 43, 8, 0, 0))
        else:
            file.write(ifd.header(order, 0) + (block or b"")[8:])

    def _even_end(self) -> int:
        if self._file.tell() % 2:
            self._file.write(b"\0")
        return self._file.tell()

    def strips(self, samples: NDArray[Any]) -> tuple[list[int], list[int], int]:
        """Write the pixels; return offsets, lengths and rows of the strips."""
        height, width, count = samples.shape
        rows = min(height, max(1, STRIP // (width * count * samples.dtype.itemsize)))
        stored = samples.dtype.newbyteorder("<" if self._order == "<" else ">")
        offsets, counts = [], []
        for top in range(0, height, rows):
            packed = zlib.compress(samples[top : top + rows].astype(stored, copy=False).tobytes(), 6)
            offsets.append(self._even_end())
            counts.append(len(packed))
            self._file.write(packed)
        return offsets, counts, rows

    def numbers(self, tag: int, values: list[int]) -> Entry:
        """Make an entry of offsets or lengths."""
        form = "Q" if self._is_big else "I"
        kind = ifd.LONG8 if self._is_big else ifd.LONG
        return Entry(tag, kind, len(values), struct.pack(f"{self._order}{len(values)}{form}", *values))

    def directory(self, entries: list[Entry], taken: dict[int, bytes]) -> None:
        """Write the directory with its values, and its place into the header.

        Args:
            entries: to write.
            taken: further entries, as the twelve bytes that each is.
        """
        inline, form = (8, "HHQ") if self._is_big else (4, "HHI")
        lines = dict(taken)
        for entry in entries:
            value = entry.value.ljust(inline, b"\0")
            if len(value) > inline:
                place = self._even_end()
                self._file.write(value)
                value = struct.pack(self._order + form[2], place)
            lines[entry.tag] = struct.pack(self._order + form, entry.tag, entry.kind, entry.count) + value
        place = self._even_end()
        self._file.write(struct.pack(self._order + ("Q" if self._is_big else "H"), len(lines)))
        self._file.write(b"".join(lines[tag] for tag in sorted(lines)) + bytes(inline))
        self._file.seek(8 if self._is_big else 4)
        self._file.write(struct.pack(self._order + form[2], place))
        self._file.seek(0, 2)
