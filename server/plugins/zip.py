"""Packs a plug-in into a zip, for users who put it into their editor by hand. Standard library only."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..client.files import write_file
from .install import record_of

FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # so that the same files give the same bytes


def pack(
    sources: Mapping[str, Path], *, executable: Iterable[str] = (), folders: Iterable[str] = (), record: str = ""
) -> bytes:
    """Return the zip.

    Args:
        sources: name in the zip, with forward slashes → the file.
        executable: those of the names that get the run bit.
        folders: names that get an entry of their own; Krita's importer knows a package only by its folder's entry.
        record: name of the installation record, which binds the plug-in to this machine's server; empty for a zip
            that goes to other machines.

    Returns:
        The zip's bytes, the same for the same files.
    """
    runnable = set(executable)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for folder in folders:
            archive.writestr(zipfile.ZipInfo(f"{folder}/", FIXED_TIME), b"")
        for name, source in sorted(sources.items()):
            _add(archive, name, source.read_bytes(), 0o755 if name in runnable else 0o644)
        if record:
            _add(archive, record, record_of(sources), 0o644)
    return packed.getvalue()


def _add(archive: zipfile.ZipFile, name: str, contents: bytes, mode: int) -> None:
    entry = zipfile.ZipInfo(name, FIXED_TIME)
    entry.create_system = 3  # Unix: only then the rights count
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = mode << 16
    archive.writestr(entry, contents)


def write(target: Path, contents: bytes) -> Path:
    """Write a zip and return its path."""
    target.parent.mkdir(parents=True, exist_ok=True)
    write_file(target, contents)
    return target
