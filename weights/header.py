"""The header of a safetensors file: its length, then JSON with the shape and place of every tensor. Knows no torch.

Files come from anywhere, so nothing here is believed before its type and range are known.
"""

from __future__ import annotations

import json
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from weights.errors import NotAWeightsFile

LENGTH_BYTES = 8
LARGEST_HEADER = 1 << 22  # bytes; the largest generators here need 100 KiB
LARGEST_FILE = 1 << 30  # bytes; the largest generators here need 100 MiB


@dataclass(frozen=True)
class Header:
    """What a file says before its tensors."""

    length: int  # Bytes of the JSON
    metadata: dict[str, Any]  # The entries of `__metadata__`, of any type; empty where there are none
    shapes: dict[str, tuple[int, ...]]  # The shape of each tensor
    section_bytes: int  # Bytes of all tensors


def open_regular(path: Path) -> IO[bytes]:
    """Open a regular file; a device might never end, and opening a pipe waits for somebody to write.

    Args:
        path: The file, or a link to it.

    Returns:
        The open file.

    Raises:
        NotAWeightsFile: It is a pipe, a device or a folder.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAWeightsFile(f"{path.name} is no regular file; expected a .safetensors file; choose another file.")
    return os.fdopen(descriptor, "rb")


def read_header(file: IO[bytes], source: str) -> Header:
    """Read and check the header at the start of a file.

    Args:
        file: Open at its start.
        source: The file's name, for the messages.

    Returns:
        The header; each shape and place is a list of whole numbers that a file may hold.

    Raises:
        NotAWeightsFile: The file is cut short, or begins with something else.
    """
    length = header_length(file.read(LENGTH_BYTES), source)
    text = file.read(length)
    if len(text) < length:
        raise cut_short(source, len(text) + LENGTH_BYTES, length + LENGTH_BYTES)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(source, "it is no JSON") from error
    if not isinstance(content, dict):
        raise _damaged(source, "it is no JSON object")
    metadata = content.pop("__metadata__", {})
    shapes, ends = {}, [0]
    for name, told in content.items():
        shape, place = _sizes(told, "shape", source), _sizes(told, "data_offsets", source)
        if len(place) != 2:
            raise _damaged(source, f"a tensor lies at {str(place)[:40]}")
        shapes[name] = shape
        ends.append(place[1])
    return Header(length, metadata if isinstance(metadata, dict) else {}, shapes, max(ends))


def header_length(start: bytes, source: str) -> int:
    """Return the length of the JSON, which the first eight bytes of a file hold."""
    if len(start) < LENGTH_BYTES:
        raise cut_short(source, len(start), LENGTH_BYTES)
    length: int = struct.unpack("<Q", start[:LENGTH_BYTES])[0]
    if length > LARGEST_HEADER:
        raise NotAWeightsFile(
            f"{source} does not begin like a safetensors file (it announces a header of {length} bytes); "
            "expected a .safetensors file; choose another file."
        )
    return length


def cut_short(source: str, found: int, expected: int) -> NotAWeightsFile:
    """Make the error for a file that ends too early."""
    return NotAWeightsFile(f"{source} ends after {found} bytes; expected at least {expected}; copy it again.")


def _sizes(told: Any, field: str, source: str) -> tuple[int, ...]:
    sizes = told.get(field) if isinstance(told, dict) else None
    if not isinstance(sizes, list) or not all(type(size) is int and 0 <= size <= LARGEST_FILE for size in sizes):
        raise _damaged(source, f"a tensor has the {field} {str(sizes)[:40]}")
    return tuple(sizes)


def _damaged(source: str, fault: str) -> NotAWeightsFile:
    return NotAWeightsFile(
        f"{source} has a header that cannot be read ({fault}); expected a .safetensors file; choose another file."
    )
