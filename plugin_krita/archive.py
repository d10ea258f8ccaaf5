"""Builds the zip that Krita's Tools → Scripts → Import Python Plugin from File… takes."""

from __future__ import annotations

import sys
from pathlib import Path

from server.plugins.zip import pack, write

from .installer import NAME, RECORD, plugin_files


def contents(*, for_this_machine: bool = False) -> bytes:
    """Return the zip's bytes: the desktop file, the package, the action file.

    Args:
        for_this_machine: put in the record of this machine's server, as the installer does.

    Returns:
        The zip; its names lie below Krita's resource folder's own folders.
    """
    sources = {_below(name): source for name, source in plugin_files().items()}
    return pack(sources, folders=[NAME], record=_below(RECORD) if for_this_machine else "")


def _below(name: str) -> str:
    """Krita's importer looks for the files without the resource folder they go to."""
    return name.split("/", 1)[1]


def build(target: Path) -> Path:
    """Write the zip for any machine; gives the same path."""
    return write(target, contents())


if __name__ == "__main__":
    sys.stdout.write(f"{build(Path(sys.argv[1]))}\n")
