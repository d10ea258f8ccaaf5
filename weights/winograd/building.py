"""Loads our C++: as it came with the package, else built for this very processor, once, and kept in a folder.

What is kept goes by a hash of sources, compiler, flags and processor, in a folder that only its user may write to: what
lies there is executed.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from weights.atomic import atomic_write
from weights.errors import BuildFailed, ForeignFolder, NoCompiler
from weights.winograd import prebuilt
from weights.winograd.processor import processor

COMPILERS = ("c++", "g++", "clang++")
SHARED = Path(__file__).parent  # the folder of what every C++ file may include
FLAGS = ("-std=c++20", "-O3", "-shared", "-fPIC", "-pthread")
PATIENCE = 120  # seconds that the compiler may take


def compiler() -> str | None:
    """Return the path of a C++ compiler that takes our flags, or None; those of Windows do not."""
    names = () if sys.platform == "win32" else COMPILERS
    return next((path for path in map(shutil.which, names) if path and not _is_mere_stub(path)), None)


def library(source: Path, folder: Path) -> ctypes.CDLL:
    """Load the functions of a C++ file: from the library that came with the package, else from one built here.

    Args:
        source: The file, one of those that the package's own library is made of.
        folder: Where what is built is kept; made where it is missing.

    Returns:
        The loaded library.

    Raises:
        NativeError: As `build` does, where the package brought no library along or it cannot be loaded.
    """
    if not prebuilt.is_there():
        return build(source, folder)
    try:
        return prebuilt.prebuilt_library()
    except OSError as fault:
        if compiler() is None:
            raise BuildFailed(f"the library of the package cannot be loaded here ({fault})") from fault
        return build(source, folder)


def build(source: Path, folder: Path) -> ctypes.CDLL:
    """Load the library of a C++ file, building it where it is not there yet.

    Args:
        source: the file; it needs the headers beside it, those of this package, and the compiler's own library.
        folder: where the result is kept; made where it is missing.

    Returns:
        The loaded library.

    Raises:
        NoCompiler: there is no compiler.
        BuildFailed: the compiler fails, or the result cannot be kept or loaded.
        ForeignFolder: others may write to the folder.
    """
    found = compiler()
    if found is None:
        raise NoCompiler("there is no C++ compiler; install one")
    flags = [*FLAGS, _processor_flag()]
    key = "\n".join([*map(_text, [source, *_headers(source)]), found, *flags, processor(), _version(found)])
    path = folder / f"{source.stem}-{hashlib.sha256(key.encode()).hexdigest()[:24]}.so"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(folder)
        if not path.exists():
            _compile([found, *flags, f"-I{SHARED}", str(source)], path)
        return ctypes.CDLL(str(path))
    except OSError as fault:
        raise BuildFailed(f"{source.name} could not be built ({fault})") from fault


def _headers(source: Path) -> list[Path]:
    """Return every header of ours that the file may include, whether it does or not."""
    return sorted({*source.parent.glob("*.hpp"), *SHARED.glob("*.hpp")})


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _compile(command: list[str], path: Path) -> None:
    with atomic_write(path) as sibling:
        try:
            done = subprocess.run(
                [*command, "-o", str(sibling)], capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired as fault:
            raise BuildFailed(f"{command[0]} took more than {PATIENCE} s") from fault
        if done.returncode:
            raise BuildFailed(f"{command[0]} fails: {done.stderr.strip()[:300]}")


def _check_owner(folder: Path) -> None:
    state = folder.stat()
    if sys.platform != "win32" and (state.st_uid != os.getuid() or stat.S_IMODE(state.st_mode) & 0o022):
        raise ForeignFolder(f"Others may write to {folder}, so nothing in it is run; delete it, and it is made anew.")


def _is_mere_stub(path: str) -> bool:
    """Return whether a compiler is one of macOS's, with nothing behind it: to call it would open Apple's installer."""
    platform: str = sys.platform  # as a plain text, so that a type checker reads on for every system
    if platform != "darwin" or Path(path).parent != Path("/usr/bin"):
        return False
    return subprocess.run(["/usr/bin/xcode-select", "--print-path"], capture_output=True, check=False).returncode != 0


def _processor_flag() -> str:
    """This processor's own instructions, or fewer where oneDNN is held to fewer (to measure what others would see)."""
    return "-march=native" if prebuilt.highest_level() == max(prebuilt.LEVELS) else "-march=x86-64-v3"


def _version(program: str) -> str:
    state = Path(program).resolve().stat()
    return f"{state.st_size} {state.st_mtime_ns}"
