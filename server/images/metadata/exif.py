"""An EXIF block: what is read of it, and the few things that are changed in place; everything else stays byte for byte.

A block begins with its TIFF header. What cannot be followed is kept as it is: it is the user's, and others may read it.
"""

from __future__ import annotations

import math
import struct

from PIL.ExifTags import GPSTAGS, TAGS

from server.client.protocol import Size
from server.images.metadata import ifd
from server.images.metadata.ifd import Damaged, Entry, Folder, Pending, Source, Structure

ORIENTATION, X_RESOLUTION, Y_RESOLUTION, UNIT = 0x0112, 282, 283, 296
MAKER_NOTE = 0x927C
SIZES_OF_PICTURE = (0x0100, 0x0101)  # width and height, in the first directory
SIZES_IN_EXIF = (0xA002, 0xA003)
MARK = b"Exif\0\0"
PER_INCH = {2: 1.0, 3: 2.54}  # resolution units in inches: inch, centimetre
UPRIGHT = 1


def structure_of(block: bytes | None) -> Structure | None:
    """Return a block's structure; None where there is none."""
    try:
        structure = Structure(Source(block or b""))
        structure.directory(structure.first)
    except Damaged:
        return None
    return None if structure.is_big else structure


def _first_directory(block: bytes | None) -> tuple[Structure, dict[int, Pending]] | None:
    structure = structure_of(block)
    return None if structure is None else (structure, structure.directory(structure.first)[0])


def orientation(block: bytes | None) -> int | None:
    """Return the orientation, 1…8, where EXIF tells one."""
    found = _first_directory(block)
    values = found[0].numbers(found[1].get(ORIENTATION)) if found else ()
    return values[0] if values and 1 <= values[0] <= 8 else None


def resolution(block: bytes | None) -> tuple[float, float] | None:
    """Return dots per inch across and down, where EXIF tells; both finite and above 0."""
    found = _first_directory(block)
    if found is None:
        return None
    structure, entries = found
    unit = structure.numbers(entries.get(UNIT)) or (2,)
    across, down = (_ratio(structure, entries.get(tag)) for tag in (X_RESOLUTION, Y_RESOLUTION))
    return density(across, down, PER_INCH.get(unit[0], 0.0))


def _ratio(structure: Structure, entry: Pending | None) -> float:
    value = structure.read(entry) if entry is not None and entry.kind == ifd.RATIONAL and entry.count else None
    if value is None:
        return 0.0
    above, below = struct.unpack_from(structure.order + "II", value)
    return above / below if below else 0.0


def density(across: float, down: float, per_inch: float) -> tuple[float, float] | None:
    """Return dots per inch of a density in another unit; None unless both are numbers that mean something."""
    both = across * per_inch, down * per_inch
    return both if all(math.isfinite(each) and 0.01 < each < 1e6 for each in both) else None


def upright(block: bytes, *, turned: bool) -> tuple[bytes, list[str]]:
    """Set the orientation to upright.

    Args:
        block: the block.
        turned: whether the picture was turned, so that a thumbnail would lie on its side.

    Returns:
        The block, and sentences about what was left out.
    """
    found = _first_directory(block)
    if found is None:
        return block, []
    structure, entries = found
    changed = bytearray(block)
    if ORIENTATION in entries:
        _set_number(changed, structure, entries[ORIENTATION], UPRIGHT)
    notices = []
    if turned and structure.directory(structure.first)[1]:
        _remove_thumbnail(changed, structure, entries)
        notices.append("The thumbnail in EXIF was left out, because the picture was turned upright.")
    return bytes(changed), notices


def _remove_thumbnail(changed: bytearray, structure: Structure, entries: dict[int, Pending]) -> None:
    place = structure.first + 2 + 12 * len(entries)
    (count,) = struct.unpack_from(structure.order + "H", changed, structure.first)
    place = structure.first + 2 + 12 * count
    second = structure.directory(structure.first)[1]
    changed[place : place + 4] = bytes(4)
    try:
        inside = structure.directory(second)[0]
    except Damaged:
        return
    start, length = structure.numbers(inside.get(513)), structure.numbers(inside.get(514))
    if start and length and start[0] + length[0] >= len(changed) - 2 > start[0] > second:
        del changed[start[0] :]  # cameras put it last


def with_size(block: bytes, size: Size) -> bytes:
    """Set the sizes that the block tells, where it tells them, to the picture's size in pixels."""
    found = _first_directory(block)
    if found is None:
        return block
    structure, entries = found
    changed = bytearray(block)
    folders = [(entries, SIZES_OF_PICTURE)]
    try:
        places = structure.numbers(entries.get(ifd.EXIF_FOLDER))
        folders += [(structure.directory(places[0])[0], SIZES_IN_EXIF)] if places else []
    except Damaged:
        pass
    for inside, tags in folders:
        for tag, value in zip(tags, (size.width, size.height), strict=True):
            if tag in inside:
                _set_number(changed, structure, inside[tag], value)
    return bytes(changed)


def _set_number(changed: bytearray, structure: Structure, entry: Pending, value: int) -> None:
    """Make an entry hold one number, whatever it held: as 32 bits where it did so or must, else as 16."""
    kind = ifd.LONG if value > 65535 or entry.kind == ifd.LONG else ifd.SHORT
    packed = struct.pack(structure.order + ifd.NUMBERS[kind], value).ljust(4, b"\0")
    changed[entry.slot + 2 : entry.slot + 12] = struct.pack(structure.order + "HI", kind, 1) + packed


def without_orientation(block: bytes) -> bytes:
    """Take the orientation's entry out; the entries behind it move up, everything else stays where it is."""
    found = _first_directory(block)
    if found is None or ORIENTATION not in found[1]:
        return block
    structure, entries = found
    changed, slot = bytearray(block), entries[ORIENTATION].slot
    (count,) = struct.unpack_from(structure.order + "H", changed, structure.first)
    end = structure.first + 2 + 12 * count + 4
    changed[slot : end - 12] = changed[slot + 12 : end]
    struct.pack_into(structure.order + "H", changed, structure.first, count - 1)
    return bytes(changed)


def with_resolution(block: bytes | None, dpi: tuple[float, float]) -> bytes:
    """Add dots per inch, unless the block tells them: for formats that have no other place for it.

    The first directory is written anew behind the block, so that every offset in the block stays true.
    """
    if resolution(block) is not None and block is not None:
        return block
    structure = structure_of(block)
    order = structure.order if structure is not None else "<"
    kept = block if structure is not None and block is not None else ifd.header("<", 0)
    kept += b"\0" * (len(kept) % 2)
    added = {entry.tag: packed_entry(entry, order) for entry in resolution_entries(dpi, order) if entry.kind == 3}
    for tag, value in zip((X_RESOLUTION, Y_RESOLUTION), dpi, strict=True):
        added[tag] = struct.pack(order + "HHII", tag, ifd.RATIONAL, 1, len(kept))
        kept += rational(value, order)
    following = 0
    entries: dict[int, bytes] = {}
    if structure is not None and block is not None:
        entries, following = raw_entries(block, structure)
    entries |= added
    directory = struct.pack(order + "H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries))
    return ifd.header(order, len(kept)) + kept[8:] + directory + struct.pack(order + "I", following)


def raw_entries(block: bytes, structure: Structure) -> tuple[dict[int, bytes], int]:
    """Return the entries of the first directory as the 12 bytes that each is, and the offset of the next directory."""
    entries, following = structure.directory(structure.first)
    return {tag: block[entry.slot : entry.slot + 12] for tag, entry in entries.items()}, following


def packed_entry(entry: Entry, order: str) -> bytes:
    """Write an entry whose value is at most four bytes long."""
    return struct.pack(order + "HHI", entry.tag, entry.kind, entry.count) + entry.value.ljust(4, b"\0")


def rational(value: float, order: str) -> bytes:
    """Write a number above 0 as the two whole numbers of a fraction."""
    below = 1 if value == round(value) else 10000
    return struct.pack(order + "II", min(round(value * below), 0xFFFFFFFF), below)


def resolution_entries(dpi: tuple[float, float], order: str) -> list[Entry]:
    """Make the three entries that tell dots per inch."""
    return [
        Entry(X_RESOLUTION, ifd.RATIONAL, 1, rational(dpi[0], order)),
        Entry(Y_RESOLUTION, ifd.RATIONAL, 1, rational(dpi[1], order)),
        Entry(UNIT, ifd.SHORT, 1, struct.pack(order + "H", 2)),
    ]


def block_of(folder: Folder, order: str) -> bytes:
    """Write a block anew."""
    return ifd.header(order, 8) + ifd.written(folder, order, 8)


def shortened(block: bytes, limit: int) -> tuple[bytes | None, list[str]]:
    """Leave the largest values out until the block has few enough bytes.

    Args:
        block: the block.
        limit: its most bytes.

    Returns:
        The block, None where nothing of it can be kept; and the names of what was left out.
    """
    structure = structure_of(block)
    if structure is None:
        return None, ["EXIF"]
    try:
        folder, unread = structure.folder(structure.first)
    except Damaged:
        return None, ["EXIF"]
    gone = [name_of(tag) for tag in unread]
    if structure.directory(structure.first)[1]:
        gone.append("the thumbnail")
    over = len(block_of(folder, structure.order)) - limit
    for inside, entry in _largest_first(folder):
        if over <= 0:
            break
        del inside.entries[entry.tag]
        over -= 12 + (len(entry.value) if len(entry.value) > 4 else 0)
        gone.append(name_of(entry.tag))
    return (block_of(folder, structure.order), gone) if over <= 0 else (None, ["EXIF"])


def _largest_first(folder: Folder) -> list[tuple[Folder, Entry]]:
    """Return every entry with the folder that it is in, the largest values first."""
    folders = [folder]
    for each in folders:
        folders += each.children.values()
    found = [(each, entry) for each in folders for entry in each.entries.values()]
    return sorted(found, key=lambda each: -len(each[1].value))


def name_of(tag: int) -> str:
    """Name a tag as others do."""
    return str(TAGS.get(tag) or GPSTAGS.get(tag) or f"tag {tag}")
