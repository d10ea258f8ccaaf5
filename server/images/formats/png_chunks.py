"""A PNG's chunks, sorted by what they are for; checked as libpng checks them."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass, field

from server.errors import NotAnImage
from server.images.formats import png16, png_text

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS = 200_000
ONCE = (
    b"acTL", b"bKGD", b"cHRM", b"cICP", b"cLLI", b"cLLi", b"eXIf", b"gAMA", b"hIST", b"iCCP", b"mDCV", b"mDCv", b"oFFs",
    b"pCAL", b"pHYs", b"sBIT", b"sCAL", b"sRGB", b"sTER", b"tIME", b"tRNS",
)  # fmt: skip


@dataclass
class Chunks:
    """The chunks of a file, sorted by what they are for."""

    head: bytes
    palette: bytes = b""
    data: list[bytes] = field(default_factory=list)
    others: list[tuple[bytes, bytes]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def get(self, name: bytes) -> bytes | None:
        """Return the contents of the first chunk of a name."""
        return next((contents for each, contents in self.others if each == name), None)


def chunks_of(contents: bytes, name: str) -> Chunks:
    """Take a PNG apart.

    Args:
        contents: of the file.
        name: what to call it in messages.

    Returns:
        Its chunks; the first of those that may be there only once.

    Raises:
        NotAnImage: a needed chunk is missing, damaged or unknown.
    """
    file = Chunks(b"")
    place, count, seen = len(SIGNATURE), 0, set()
    while place + 8 <= len(contents):
        (length,) = struct.unpack_from(">I", contents, place)
        chunk = contents[place + 4 : place + 8]
        body = contents[place + 8 : place + 8 + length]
        checksum = contents[place + 8 + length : place + 12 + length]
        place, count = place + 12 + length, count + 1
        if count > MOST_CHUNKS:
            raise NotAnImage(f"{name} has more than {MOST_CHUNKS} chunks; expected far fewer; save it anew.")
        if chunk == b"IEND":
            break
        if len(checksum) < 4:
            if chunk == b"IDAT":
                file.data.append(body)
            break
        is_whole = zlib.crc32(body, zlib.crc32(chunk)) == int.from_bytes(checksum, "big")
        if not chunk[0] & 0x20 and (is_whole or not _is_suggestion(chunk, file.head)):
            if not is_whole:
                what = f"the checksum of its {_shown(chunk)} is wrong"
                raise NotAnImage(f"{name} is damaged ({what}); expected a whole file; get it anew.")
            _take_needed(file, chunk, body, name)
        elif not is_whole:
            file.notices.append(f"A damaged {_shown(chunk)} chunk{png_text.keyword_told(chunk, body)} was left out.")
        elif chunk in ONCE and chunk in seen:
            file.notices.append(f"A second {_shown(chunk)} chunk was left out.")
        else:
            seen.add(chunk)
            file.others.append((chunk, body))
    if len(file.head) != 13 or not file.data:
        raise NotAnImage(f"{name} is a PNG without {'pixels' if file.head else 'a header'}; expected a whole file.")
    return file


def _is_suggestion(chunk: bytes, head: bytes) -> bool:
    """Return whether a chunk is the palette of a picture that does not need it."""
    return chunk == b"PLTE" and len(head) == 13 and head[9] != 3


def _take_needed(file: Chunks, chunk: bytes, body: bytes, name: str) -> None:
    if chunk == b"IHDR":
        file.head = file.head or body
    elif chunk == b"PLTE":
        file.palette = file.palette or body
    elif chunk == b"IDAT":
        file.data.append(body)
    else:
        raise NotAnImage(
            f"{name} needs a reader that knows {_shown(chunk)}; expected the chunks of the standard; convert it first."
        )


def _shown(chunk: bytes) -> str:
    return chunk.decode("latin-1") if chunk.isalpha() else "chunk without a name"


def alone(file: Chunks, data: bytes, palette_alpha: bytes | None) -> bytes:
    """Write the pixels as a PNG of their own."""
    out = io.BytesIO()
    out.write(SIGNATURE)
    chunks = [(b"IHDR", file.head)] + ([(b"PLTE", file.palette)] if file.palette else [])
    chunks += [(b"tRNS", palette_alpha)] if palette_alpha else []
    for chunk, body in [*chunks, (b"IDAT", data), (b"IEND", b"")]:
        png16.write_chunk(out, chunk, body)
    return out.getvalue()
