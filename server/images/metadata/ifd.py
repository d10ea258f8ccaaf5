"""TIFF's structure, which EXIF has too: image file directories (IFDs), their entries, and how both are written.

Values stay the bytes that they are in the file, so that what is copied is copied exactly. Knows no pixels.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, IFD, LONG8 = 1, 2, 3, 4, 5, 7, 13, 16
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
NUMBERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
EXIF_FOLDER, GPS_FOLDER, INTEROPERABILITY_FOLDER = 0x8769, 0x8825, 0xA005
FOLDERS = (EXIF_FOLDER, GPS_FOLDER, INTEROPERABILITY_FOLDER)
LARGEST_VALUE = 16 << 20  # bytes of one entry
MOST_READ = 128 << 20  # bytes of all values together: entries may share their bytes, and would multiply them
DEEPEST = 3


class Damaged(ValueError):
    """The structure cannot be followed."""


class Source:
    """The bytes of a file, in memory or on disk."""

    def __init__(self, source: bytes | Path) -> None:
        self._contents = source if isinstance(source, bytes) else None
        self._file = None if isinstance(source, bytes) else source.open("rb")
        self.size = len(source) if isinstance(source, bytes) else source.stat().st_size

    def read(self, offset: int, count: int) -> bytes:
        """Return `count` bytes from `offset`; fewer where the file ends."""
        if offset >= self.size:
            return b""
        if self._contents is not None:
            return self._contents[offset : offset + count]
        assert self._file is not None
        self._file.seek(offset)
        return self._file.read(min(count, self.size - offset))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


@dataclass(frozen=True)
class Entry:
    """One entry of a directory."""

    tag: int  # its number
    kind: int  # TIFF's type number
    count: int  # number of values
    value: bytes  # their bytes, in the byte order of the file


@dataclass(frozen=True)
class Pending:
    """An entry whose value has not been read; `place` is where the value lies, `slot` where the entry does."""

    tag: int
    kind: int
    count: int
    place: int
    slot: int

    @property
    def size(self) -> int:
        """Return the bytes of the value."""
        return SIZES.get(self.kind, 0) * self.count


@dataclass
class Folder:
    """A directory in memory, with the directories that it names (by the tag that names them)."""

    entries: dict[int, Entry] = field(default_factory=dict)
    children: dict[int, Folder] = field(default_factory=dict)


class Structure:
    """Follows the directories of a TIFF, a BigTIFF or an EXIF block.

    Args:
        source: where its bytes are.

    Raises:
        Damaged: it does not begin with a TIFF header.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        head = source.read(0, 16)
        if head[:2] not in (b"II", b"MM") or len(head) < 8:
            raise Damaged("there is no TIFF header")
        self.order = "<" if head[:2] == b"II" else ">"
        (version,) = struct.unpack_from(self.order + "H", head, 2)
        if version not in (42, 43) or (version == 43 and len(head) < 16):
            raise Damaged("there is no TIFF header")
        self.is_big = version == 43
        self.first: int = struct.unpack_from(self.order + ("Q" if self.is_big else "I"), head, 8 if self.is_big else 4)[
            0
        ]
        self._left = MOST_READ
        # bytes of a directory's count, of an entry, and of a value that fits into its entry
        self._sizes = (8, 20, 8) if self.is_big else (2, 12, 4)

    def directory(self, offset: int) -> tuple[dict[int, Pending], int]:
        """Return the entries of the directory at `offset`, by tag, and the offset of the next one (0 for none)."""
        count_size, entry_size, inline = self._sizes
        count = self._count(offset)
        body = self.source.read(offset + count_size, min(count, 65535) * entry_size + inline)
        form = self.order + ("HHQ" if self.is_big else "HHI")
        found: dict[int, Pending] = {}
        for index in range(min(count, len(body) // entry_size)):
            tag, kind, number = struct.unpack_from(form, body, index * entry_size)
            slot = offset + count_size + index * entry_size
            place = slot + entry_size - inline
            if SIZES.get(kind, 0) * number > inline:
                (place,) = struct.unpack_from(
                    self.order + ("Q" if self.is_big else "I"), body, (index + 1) * entry_size - inline
                )
            found.setdefault(tag, Pending(tag, kind, number, place, slot))
        return found, self._link(body[count * entry_size :][:inline])

    def following(self, offset: int) -> int:
        """Return the offset of the directory behind the one at `offset`, without reading its entries; 0 for none."""
        count_size, entry_size, inline = self._sizes
        return self._link(self.source.read(offset + count_size + self._count(offset) * entry_size, inline))

    def _count(self, offset: int) -> int:
        head = self.source.read(offset, self._sizes[0])
        if offset < 8 or len(head) < self._sizes[0]:
            raise Damaged("a directory lies outside of the file")
        return int.from_bytes(head, "little" if self.order == "<" else "big")

    def _link(self, tail: bytes) -> int:
        return int.from_bytes(tail, "little" if self.order == "<" else "big") if len(tail) == self._sizes[2] else 0

    def read(self, entry: Pending, largest: int = LARGEST_VALUE) -> bytes | None:
        """Return the value of an entry; None where it is too large, of an unknown kind, or outside of the file."""
        if not 0 < entry.size <= largest:
            return None
        self._left -= entry.size
        if self._left < 0:
            raise Damaged("its directories name more than 128 MB of values")
        value = self.source.read(entry.place, entry.size)
        return value if len(value) == entry.size else None

    def numbers(self, entry: Pending | None, largest: int = LARGEST_VALUE) -> tuple[int, ...]:
        """Return the whole numbers of an entry; empty where there are none."""
        value = None if entry is None or entry.kind not in NUMBERS else self.read(entry, largest)
        if value is None or entry is None:
            return ()
        return struct.unpack(f"{self.order}{entry.count}{NUMBERS[entry.kind]}", value)

    def folder(self, offset: int, depth: int = 0) -> tuple[Folder, list[int]]:
        """Read a directory and those that it names as EXIF, GPS or interoperability.

        Args:
            offset: of the directory.
            depth: of directories that led to it.

        Returns:
            The folder, and the tags whose values could not be read.
        """
        folder, unread = Folder(), []
        for tag, pending in self.directory(offset)[0].items():
            if tag in FOLDERS:
                places = self.numbers(pending)
                try:
                    if not places or depth == DEEPEST:
                        raise Damaged("a directory is missing")
                    folder.children[tag], inside = self.folder(places[0], depth + 1)
                    unread += inside
                except Damaged:
                    unread.append(tag)
                continue
            value = self.read(pending) if pending.kind not in (IFD, 16, 17, 18) else None
            if value is None:
                if pending.count:
                    unread.append(tag)
            else:
                folder.entries[tag] = Entry(tag, pending.kind, pending.count, value)
        return folder, unread


def written(folder: Folder, order: str, place: int) -> bytes:
    """Write a directory with all that it names, as it lies at `place` of a TIFF or EXIF block (not a BigTIFF).

    Args:
        folder: what to write; its values are in the byte order `order`.
        order: "<" or ">".
        place: even offset of the first byte.

    Returns:
        The directory (which names no next one), its values, then the directories that it names.
    """
    tags = sorted({*folder.entries, *folder.children})
    directory = bytearray(struct.pack(order + "H", len(tags)))
    body = bytearray()
    behind = place + 2 + 12 * len(tags) + 4
    for tag in tags:
        if tag in folder.children:
            directory += struct.pack(order + "HHII", tag, LONG, 1, behind + len(body))
            body += written(folder.children[tag], order, behind + len(body))
        else:
            entry = folder.entries[tag]
            directory += struct.pack(order + "HHI", tag, entry.kind, entry.count)
            if len(entry.value) <= 4:
                directory += entry.value.ljust(4, b"\0")
            else:
                directory += struct.pack(order + "I", behind + len(body))
                body += entry.value
        body += b"\0" * (len(body) % 2)
    return bytes(directory + bytes(4) + body)


def header(order: str, first: int) -> bytes:
    """Return the eight bytes that a TIFF or EXIF block begins with."""
    return (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", first)


def number(tag: int, value: int, order: str) -> Entry:
    """Make an entry of one whole number: 16 bits where that is enough."""
    kind = SHORT if value < 65536 else LONG
    return Entry(tag, kind, 1, struct.pack(order + NUMBERS[kind], value))
