"""Builds the zip that Krita's Tools → Scripts → Import Python Plugin from File… takes."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from .installer import NAME, plugin_files

FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # so that the same files give the same bytes


def build(target: Path) -> Path:
    """Write the zip: the desktop file, the package, the action file.

    Args:
        target: the zip's path; replaced if it is there.

    Returns:
        The same path.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    sibling = target.with_name(target.name + ".new")
    with zipfile.ZipFile(sibling, "w", zipfile.ZIP_DEFLATED) as archive:
        # Krita's importer knows a package only by an entry for its folder.
        archive.writestr(zipfile.ZipInfo(f"{NAME}/", FIXED_TIME), b"")
        for name, source in sorted(plugin_files().items()):
            entry = zipfile.ZipInfo(name.split("/", 1)[1], FIXED_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, source.read_bytes())
    sibling.replace(target)
    return target


if __name__ == "__main__":
    sys.stdout.write(f"{build(Path(sys.argv[1]))}\n")
