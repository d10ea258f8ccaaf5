"""Where a request's body is kept until the whole of it is there: a megabyte in memory, more in the user's cache."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from waitress.buffers import OverflowableBuffer, TempfileBasedBuffer

IN_MEMORY = 1 << 20  # bytes of a body that stay in memory


class SpoolBuffer(OverflowableBuffer):  # type: ignore[misc]
    """Spools to a folder of ours: the system's folder for temporary files is often a RAM disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(IN_MEMORY)
        self._folder = folder

    buf: Any

    def _set_large_buffer(self) -> None:
        old = self.buf
        self.buf = _FolderBuffer(self._folder, old)
        if hasattr(old, "close"):
            old.close()
        self.overflowed = True


class _FolderBuffer(TempfileBasedBuffer):  # type: ignore[misc]
    def __init__(self, folder: Path, from_buffer: Any) -> None:
        self._folder = folder
        super().__init__(from_buffer)

    def newfile(self) -> Any:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may have tidied up
        return tempfile.TemporaryFile("w+b", dir=self._folder)
