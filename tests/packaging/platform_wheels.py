"""Makes wheels for single platforms from the pure one: the same files, and a compiled library beside them.

python -m tests.packaging.platform_wheels dist
"""

from __future__ import annotations

import base64
import hashlib
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.import_graph import ROOT
from tests.packaging.cross_compiling import PLATFORMS, Platform, compile_libraries
from weights.winograd import prebuilt

PURE = "py3-none-any"
PLACE = prebuilt.FOLDER.relative_to(ROOT).as_posix()


def platform_wheel(pure: Path, platform: Platform) -> Path:
    """Write a platform's wheel beside the pure one.

    Args:
        pure: The wheel that runs anywhere and compiles on the user's machine.
        platform: One of PLATFORMS.

    Returns:
        The new wheel.
    """
    tag = f"py3-none-{platform.tag}"
    target = pure.with_name(pure.name.replace(PURE, tag))
    records = []
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(pure) as source:
        libraries = {f"{PLACE}/{path.name}": path.read_bytes() for path in compile_libraries(platform, Path(folder))}
        (record,) = (name for name in source.namelist() if name.endswith(".dist-info/RECORD"))
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as wheel:
            for entry in source.infolist():
                if entry.filename != record:
                    content = source.read(entry)
                    if entry.filename.endswith(".dist-info/WHEEL"):
                        content = _for_one_platform(content, tag)
                    wheel.writestr(entry, content, zipfile.ZIP_DEFLATED)
                    records.append(_record(entry.filename, content))
            for name, content in libraries.items():
                wheel.writestr(name, content)
                records.append(_record(name, content))
            wheel.writestr(record, "".join([*records, f"{record},,\n"]))
    return target


def _for_one_platform(description: bytes, tag: str) -> bytes:
    text = description.decode()
    return text.replace("Root-Is-Purelib: true", "Root-Is-Purelib: false").replace(PURE, tag).encode()


def _record(name: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"


def main(folder: Path) -> None:
    """Write the wheels of all platforms into the folder that holds the pure one."""
    (pure,) = folder.glob(f"*-{PURE}.whl")
    for platform in PLATFORMS:
        print(platform_wheel(pure, platform))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
