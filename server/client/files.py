"""Writes files so that they are there whole, or not at all. Standard library only."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

HELD_OPEN = (5, 32)  # Windows' errors for a file that another program has open: access denied, sharing violation
RETRIES, RETRY_AFTER = 20, 0.05  # times, seconds


def write_file(path: Path, contents: bytes, mode: int | None = None) -> None:
    """Write a file to a sibling, flush it to the disk, and rename it over `path`.

    Args:
        path: the file, replaced if it is there; its folder must exist.
        contents: all of it.
        mode: the rights; None leaves them to the user's mask.
    """
    with replacing(path, mode=mode) as file:
        file.write(contents)


@contextlib.contextmanager
def replacing(path: Path, *, mode: int | None = None, replace: bool = True) -> Iterator[IO[bytes]]:
    """Open a sibling of `path` for writing and reading; it gets its name when the block ends without an error.

    Args:
        path: the file; its folder must exist.
        mode: the rights, from the first byte on; None leaves them to the user's mask.
        replace: whether a file of that name may be replaced.

    Yields:
        The sibling, which is removed when the block raises.

    Raises:
        FileExistsError: the name is taken, and may not be replaced.
    """
    sibling = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}")  # a name of 255 bytes has no room for more
    rights = 0o666 if mode is None else mode
    try:
        with open(sibling, "x+b", opener=lambda name, flags: os.open(name, flags, rights)) as file:
            if mode is not None:
                sibling.chmod(mode)  # whatever the mask took away
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            rename(sibling, path)
        else:
            _take_free_name(sibling, path)
    finally:
        sibling.unlink(missing_ok=True)


def _take_free_name(file: Path, path: Path) -> None:
    """Rename a file unless the name is taken, in one step where the file system knows links."""
    try:
        os.link(file, path)
    except FileExistsError:
        raise
    except OSError:
        if path.exists():
            raise FileExistsError(path) from None
        rename(file, path)


def rename(file: Path, target: Path) -> None:
    """Rename a file over another; where a program of Windows has that one open, wait for it a little.

    Args:
        file: the new contents.
        target: the name that it takes.

    Raises:
        OSError: it cannot be renamed, or the other program keeps the file for longer than a second.
    """
    for _ in range(RETRIES):
        try:
            file.replace(target)
            return
        except PermissionError as fault:
            if getattr(fault, "winerror", None) not in HELD_OPEN:
                raise
        time.sleep(RETRY_AFTER)
    file.replace(target)
