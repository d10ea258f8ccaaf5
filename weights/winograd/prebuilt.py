"""The library that a wheel for one platform brings along, so that nobody needs a compiler.

For x86-64 there are three, each for another level of the instruction set. The plainest runs on every such processor,
and is asked which of the others this one can run.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "prebuilt"  # in wheels for one platform only
LEVELS = (3, 4)  # of x86-64, beside the plainest: AVX2, AVX-512
SUFFIXES = {"win32": ".dll", "darwin": ".dylib"}


def file_name(level: int, suffix: str) -> str:
    """Return the name of the library for one level of the instruction set.

    Args:
        level: One of LEVELS, or 1 for the plainest.
        suffix: Of libraries on that system, with its dot.

    Returns:
        The name, without a folder.
    """
    return f"winograd-v{level}{suffix}" if level in LEVELS else f"winograd{suffix}"


def is_there() -> bool:
    """Return whether this package brought a library along; nothing is loaded."""
    return _path(1).is_file()


def prebuilt_library() -> ctypes.CDLL:
    """Load the library that came with the package, the best that this processor runs.

    Returns:
        The library.

    Raises:
        OSError: There is none, or it cannot be loaded.
    """
    plainest = ctypes.CDLL(str(_path(1)))
    level = min(plainest.native_level(), highest_level())
    return ctypes.CDLL(str(_path(level))) if level in LEVELS and _path(level).is_file() else plainest


def highest_level() -> int:
    """Return the level of x86-64 to stay within; less than the highest where oneDNN is held to fewer instructions."""
    return 3 if os.environ.get("ONEDNN_MAX_CPU_ISA", "").startswith("AVX2") else max(LEVELS)


def _path(level: int) -> Path:
    return FOLDER / file_name(level, SUFFIXES.get(sys.platform, ".so"))
