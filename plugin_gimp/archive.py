"""Builds the zip whose folder is to be put into GIMP's plug-ins folder."""

from __future__ import annotations

import sys
from pathlib import Path

from server.plugins.install import RECORD
from server.plugins.zip import pack, write

from .installer import FOLDER, PROGRAM, plugin_files


def contents(*, for_this_machine: bool = False) -> bytes:
    """Return the zip's bytes.

    Args:
        for_this_machine: put in the record of this machine's server, as the installer does.

    Returns:
        A zip with one folder, `neural-upscale`.
    """
    record = f"{FOLDER}/{RECORD}" if for_this_machine else ""
    return pack(plugin_files(), executable=[f"{FOLDER}/{PROGRAM}"], record=record)


def build(target: Path) -> Path:
    """Write the zip for any machine; gives the same path."""
    return write(target, contents())


if __name__ == "__main__":
    sys.stdout.write(f"{build(Path(sys.argv[1]))}\n")
