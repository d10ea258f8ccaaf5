"""Refuses a TIFF whose compressed pieces are larger than the picture that they are pieces of, before they are decoded.

tifffile's own decoders of zlib and LZMA inflate whatever is there: a file of one megabyte becomes gigabytes.
"""

from __future__ import annotations

import lzma
import math
import zlib
from typing import Any, Protocol

from server.errors import NotAnImage

ZLIB, LZMA = (8, 32946, 50013), (34925,)
SPARE = 1 << 16  # bytes: some writers fill the last piece up


class _Inflater(Protocol):
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def check(page: Any, name: str) -> None:
    """Inflate each piece, one at a time, no further than it may be.

    Args:
        page: tifffile's, not yet decoded.
        name: what to call the file in messages.

    Raises:
        NotAnImage: a piece is larger than the picture allows.
    """
    sample_bytes = page.dtype.itemsize if page.dtype is not None else 8
    allowed = math.prod(page.chunks) * sample_bytes + SPARE
    rows, columns = page.chunks[0], page.chunks[1]
    if rows > 2 * page.imagelength + 1024 or columns > 2 * page.imagewidth + 1024:
        raise NotAnImage(f"{name} has pieces of {columns}×{rows} pixels, more than the picture; save it anew.")
    if page.compression not in (*ZLIB, *LZMA):
        return
    file = page.parent.filehandle
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(offset)
        inflater: _Inflater = zlib.decompressobj() if page.compression in ZLIB else lzma.LZMADecompressor()
        if len(inflater.decompress(file.read(count), allowed + 1)) > allowed:
            raise NotAnImage(
                f"{name} holds more data than its {page.imagewidth}×{page.imagelength} pixels; save it anew."
            )
