"""Puts results on disk: whole or not at all, and refused before anything is computed where they cannot be put there."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from server.client.protocol import Size
from server.errors import WrongParameter
from server.images import limits
from server.images.files import format_of, write_photo
from server.images.photo import Photo

LONGEST_NAME = 255  # bytes, on most file systems


def check_target(path: Path, size: Size) -> None:
    """Refuse what cannot be saved, before anything is computed; leaves nothing behind.

    Args:
        path: where the result is to go; its folder exists.
        size: of the result.

    Raises:
        WrongParameter: the format, the name or the folder does not take it.
    """
    limits.check_result(size, format_of(path))
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise WrongParameter(f"The name {path.name[:60]}… has more than {LONGEST_NAME} bytes; name another with -o.")
    sibling = _sibling(path)
    try:
        sibling.open("xb").close()
        sibling.unlink()
    except OSError as fault:
        raise WrongParameter(
            f"Nothing can be written to {path.parent} ({fault.strerror or fault}); name another folder with -o."
        ) from fault


def _sibling(path: Path) -> Path:
    """Name a file beside `path` that holds the result until it is whole; short enough for every file system."""
    return path.with_name(f".neural-upscale-{os.getpid()}-{struct.unpack('>I', os.urandom(4))[0]:08x}")


def save_beside(photo: Photo, path: Path, *, replace: bool = True) -> list[str]:
    """Write a photo to a sibling of `path`, then rename; the format is the one that the name asks for.

    Args:
        photo: pixels and everything kept beside them.
        path: where to.
        replace: whether what lies there may be replaced.

    Returns:
        The notices of `write_photo`.

    Raises:
        FileExistsError: something lies there that may not be replaced.
    """
    sibling = _sibling(path)
    try:
        with sibling.open("w+b") as file:
            notices = write_photo(photo, file, format_of(path))
        if replace:
            sibling.replace(path)
        else:
            _put_in_free_place(sibling, path)
    finally:
        sibling.unlink(missing_ok=True)
    return notices


def _put_in_free_place(file: Path, path: Path) -> None:
    """Give a file its name unless the name is taken, in one step where the file system knows links."""
    try:
        os.link(file, path)
    except FileExistsError:
        raise
    except OSError:
        if path.exists():
            raise FileExistsError(path) from None
        file.replace(path)
