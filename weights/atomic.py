"""Write a file to a sibling, which takes the old file's place once it is complete and on the disk.

Whoever reads the path finds the old file or the new one, never a part: not after an error, a kill or a power cut.
The sibling's name is hidden and belongs to this process, so that two processes do not write into each other's; only a
killed process leaves it behind. Imports no torch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Replace a file with what is written within; where that raises anything, the old file stays as it was.

    Args:
        path: The file; its folder exists.

    Yields:
        The sibling to write: `.NAME.PID`, absent at first.

    Raises:
        OSError: The folder cannot be written, or nothing was.
    """
    sibling = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield sibling
        _flush_to_disk(sibling)
        rename(sibling, path)
    finally:
        sibling.unlink(missing_ok=True)


def rename(file: Path, target: Path) -> None:
    """Rename a file over another; where a program of Windows has that one open, wait up to a second.

    Args:
        file: The new content.
        target: The name that it takes.

    Raises:
        OSError: It cannot be renamed, or the other program keeps the file for longer.
    """
    for _ in range(20):
        try:
            file.replace(target)
            return
        except PermissionError as error:
            if getattr(error, "winerror", None) not in (5, 32):  # access denied, sharing violation
                raise
        time.sleep(0.05)
    file.replace(target)


def _flush_to_disk(path: Path) -> None:
    """Wait until a file's content is on the disk: a rename may get there first, and a power cut leave an empty file."""
    with path.open("rb+") as file:  # Windows flushes only what may be written
        os.fsync(file.fileno())
