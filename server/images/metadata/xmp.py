"""An XMP packet: upright, of the right size, whole (JPEG may keep it in two parts), pointing at nothing that is gone.

Packets are changed where they must be and are otherwise kept byte for byte; they are never parsed and written anew.
"""

from __future__ import annotations

import hashlib
import re
import struct

from server.client.protocol import Size

ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>\s*))(\d)")
SIZES = (
    re.compile(rb"((?:tiff:ImageWidth|exif:PixelXDimension)(?:\s*=\s*[\"']|>\s*))\d+"),
    re.compile(rb"((?:tiff:ImageLength|exif:PixelYDimension)(?:\s*=\s*[\"']|>\s*))\d+"),
)
# Namespaces that describe what lies beside the picture in its file: a gain map, a film, a depth map, a second view.
BESIDE = {
    b"http://ns.adobe.com/hdr-gain-map/1.0/": "gain map",
    b"http://ns.apple.com/HDRGainMap/1.0/": "gain map",
    b"http://ns.google.com/photos/1.0/container/": "list of what lies beside the picture",
    b"http://ns.google.com/photos/1.0/container/item/": "list of what lies beside the picture",
    b"http://ns.google.com/photos/dd/1.0/container/": "list of what lies beside the picture",
    b"http://ns.google.com/photos/dd/1.0/item/": "list of what lies beside the picture",
}
FILM = re.compile(rb"(?:MotionPhoto|MicroVideo)\w*")
CAMERA = b"http://ns.google.com/photos/1.0/camera/"
NOTE = b"http://ns.adobe.com/xmp/note/"
PACKET = re.compile(rb"<\?xpacket[^<>]*\?>")
ATTRIBUTES = rb"(?:[^<>\"']|\"[^<\"]*\"|'[^<']*')*?"  # none reaches past the next "<": no search is quadratic
MOST_PREFIXES = 8  # for one namespace
FIRST_PART = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="%s"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
PIECE = 65000  # bytes of an extended packet in one segment


def orientation(xmp: bytes | None) -> int | None:
    """Return the orientation, 1…8, where the packet tells one."""
    found = ORIENTATION.search(xmp or b"")
    return int(found[2]) if found and found[2] in b"12345678" else None


def upright(xmp: bytes) -> bytes:
    """Set the orientation to upright."""
    return ORIENTATION.sub(rb"\g<1>1", xmp)


def with_size(xmp: bytes, size: Size) -> bytes:
    """Set the sizes that the packet tells, where it tells them, to the picture's size in pixels."""
    for pattern, value in zip(SIZES, (size.width, size.height), strict=True):
        xmp = pattern.sub(rb"\g<1>%d" % value, xmp)
    return xmp


def without_what_is_beside(xmp: bytes) -> tuple[bytes, list[str]]:
    """Remove what describes other parts of the file, which are not kept.

    Args:
        xmp: the packet.

    Returns:
        The packet, and what it described.
    """
    gone = []
    for namespace, what in BESIDE.items():
        for prefix in _prefixes(xmp, namespace):
            xmp, count = _without(xmp, re.escape(prefix) + rb":[\w.-]+")
            if count and what not in gone:
                gone.append(what)
    for prefix in _prefixes(xmp, CAMERA):
        xmp, count = _without(xmp, re.escape(prefix) + rb":" + FILM.pattern)
        if count:
            gone.append("film")
    return xmp, gone


def _prefixes(xmp: bytes, namespace: bytes) -> list[bytes]:
    found = set(re.findall(rb"xmlns:([\w.-]+)\s*=\s*[\"']" + re.escape(namespace) + rb"[\"']", xmp))
    return sorted(found)[:MOST_PREFIXES]


def _without(xmp: bytes, name: bytes) -> tuple[bytes, int]:
    """Remove attributes and elements of a name (a pattern), the outermost elements whole."""
    pieces: list[bytes] = []
    count, kept, depth, position = 0, 0, 0, 0
    tag = re.compile(rb"<(/?)(" + name + rb")(?=[\s/>])(" + ATTRIBUTES + rb")(/?)>")
    opened = b""
    while found := tag.search(xmp, position):
        position = found.end()
        if depth == 0 and not found[1]:
            pieces.append(xmp[kept : found.start()])
            kept, count = found.end(), count + 1
            depth, opened = (0 if found[4] else 1), found[2]
        elif depth and found[2] == opened:
            depth += -1 if found[1] else (0 if found[4] else 1)
            if depth == 0:
                kept = found.end()
    if depth:  # an element that never ends: left alone
        return xmp, 0
    xmp = b"".join([*pieces, xmp[kept:]])
    xmp, attributes = re.subn(rb"\s" + name + rb"\s*=\s*(?:\"[^\"]*\"|'[^']*')", b"", xmp)
    return xmp, count + attributes


def identifier(xmp: bytes) -> bytes | None:
    """Return the name of the extended packet that goes with this one."""
    for prefix in _prefixes(xmp, NOTE):
        name = re.escape(prefix) + rb":HasExtendedXMP"
        found = re.search(name + rb"\s*(?:=\s*[\"']|>\s*)([0-9A-Fa-f]{32})", xmp)
        if found:
            return found[1]
    return None


def joined(xmp: bytes, extended: bytes | None) -> bytes | None:
    """Put a packet and its extended one together.

    Args:
        xmp: the first packet.
        extended: what it names as extended; None where that is missing or incomplete.

    Returns:
        One packet without a name for another; None where the two cannot be put together.
    """
    for prefix in _prefixes(xmp, NOTE):
        xmp, _ = _without(xmp, re.escape(prefix) + rb":HasExtendedXMP")
    if extended is None:
        return xmp
    opening = re.compile(rb"<rdf:RDF(" + ATTRIBUTES + rb")(/?)>")
    inner, end, outer = opening.search(extended), extended.rfind(b"</rdf:RDF"), opening.search(xmp)
    if inner is None or inner[2] or end < inner.end() or outer is None:
        return None
    head, told = extended[: inner.end()], extended[inner.end() : end]
    known = set(re.findall(rb"xmlns:[\w.-]+", outer[1]))
    names = re.findall(rb"(xmlns:[\w.-]+)(\s*=\s*(?:\"[^\"]*\"|'[^']*'))", head)
    added = b"".join(b" " + name + value for name, value in names if name not in known)
    closing = xmp.rfind(b"</rdf:RDF")
    start = xmp[: outer.start()] + b"<rdf:RDF" + outer[1] + added + b">"
    if outer[2]:
        return start + told + b"</rdf:RDF>" + xmp[outer.end() :]
    if closing < outer.end():
        return None
    return start + xmp[outer.end() : closing] + told + xmp[closing:]


def in_parts(xmp: bytes) -> tuple[bytes, list[bytes]]:
    """Split a packet that is too long for one segment of a JPEG (Adobe's XMP specification, part 3).

    Args:
        xmp: the packet.

    Returns:
        The first packet, and the pieces of the extended one, each with its name, length and offset.
    """
    extended = PACKET.sub(b"", xmp).strip()
    name = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper().encode()
    pieces = [
        name + struct.pack(">II", len(extended), start) + extended[start : start + PIECE]
        for start in range(0, len(extended), PIECE)
    ]
    return FIRST_PART % name, pieces


def of_pieces(pieces: list[bytes], name: bytes) -> bytes | None:
    """Put the pieces of the extended packet `name` together; None where one is missing."""
    parts: dict[int, bytes] = {}
    length = 0
    for piece in pieces:
        if piece[:32].upper() == name.upper() and len(piece) > 40:
            length, start = struct.unpack_from(">II", piece, 32)
            parts[start] = piece[40:]
    whole = bytearray()
    for start in sorted(parts):
        if start != len(whole):
            return None
        whole += parts[start]
    return bytes(whole) if whole and len(whole) == length else None
