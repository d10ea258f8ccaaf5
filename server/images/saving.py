"""Puts results on disk: whole or not at all, and refused before anything is computed where they cannot be put there."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from server.client.files import replacing
from server.client.protocol import Size
from server.errors import WrongParameter
from server.images import limits
from server.images.files import format_of, write_photo
from server.images.photo import Photo

LONGEST_NAME = 255  # bytes, on most file systems


def check_target(path: Path, size: Size, pixel_bytes: int) -> None:
    """Refuse what cannot be saved, before anything is computed; leaves nothing behind.

    Args:
        path: where the result is to go; its folder exists.
        size: of the result.
        pixel_bytes: bytes of one of its pixels in memory.

    Raises:
        WrongParameter: the format, the name or the folder does not take it.
        TooLarge: it takes more than the memory.
    """
    limits.check_result(size, format_of(path), pixel_bytes)
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise WrongParameter(f"The name {path.name[:60]}… has more than {LONGEST_NAME} bytes; name another with -o.")
    sibling = path.with_name(f".neural-upscale-{secrets.token_hex(4)}")
    try:
        sibling.open("xb").close()
        sibling.unlink()
    except OSError as fault:
        raise WrongParameter(
            f"Nothing can be written to {path.parent} ({fault.strerror or fault}); name another folder with -o."
        ) from fault


def save_photo(photo: Photo, path: Path, *, replace: bool = True) -> list[str]:
    """Write a photo in the format that its name asks for; the file is there whole, or not at all.

    Args:
        photo: pixels and everything kept beside them.
        path: where to.
        replace: whether what lies there may be replaced.

    Returns:
        The notices of `write_photo`.

    Raises:
        FileExistsError: something lies there that may not be replaced.
    """
    with replacing(path, replace=replace) as file:
        return write_photo(photo, file, format_of(path))
