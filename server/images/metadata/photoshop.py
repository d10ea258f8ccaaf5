"""Photoshop's image resources, which hold IPTC: a list of blocks, each with a number, a name and contents."""

from __future__ import annotations

import struct

MARK = b"Photoshop 3.0\0"
BEGIN = b"8BIM"
IPTC = 0x0404


def resources(block: bytes) -> list[tuple[int, bytes, bytes]]:
    """Return number, contents and the whole bytes of each resource; stops where the list is damaged."""
    found, place = [], 0
    while block[place : place + 4] in (BEGIN, b"MeSa", b"PHUT", b"AgHg", b"DCSR") and place + 7 <= len(block):
        (number,) = struct.unpack_from(">H", block, place + 4)
        name = block[place + 6] + 1
        start = place + 6 + name + name % 2
        if start + 4 > len(block):
            break
        (length,) = struct.unpack_from(">I", block, start)
        end = start + 4 + length + length % 2
        if start + 4 + length > len(block):
            break
        found.append((number, block[start + 4 : start + 4 + length], block[place:end]))
        place = end
    return found


def iptc_of(block: bytes) -> bytes:
    """Return the IPTC records, empty where there are none."""
    return b"".join(contents for number, contents, _ in resources(block) if number == IPTC)


def of_iptc(records: bytes) -> bytes:
    """Make a resource of IPTC records."""
    return BEGIN + struct.pack(">HHI", IPTC, 0, len(records)) + records + b"\0" * (len(records) % 2)


def others(block: bytes) -> str:
    """Name the resources that are not IPTC, by their numbers."""
    return ", ".join(f"{number:#06x}" for number, _, _ in resources(block) if number != IPTC)


def told(block: bytes) -> str:
    """Name what is in a list of resources, for a notice."""
    names = ["IPTC"] if iptc_of(block) else []
    return " and ".join(names + ([f"Photoshop's image resources ({others(block)})"] if others(block) else []))
