"""Builds the C++ file beside this one for this very processor, once, and keeps the result in the cache folder.

What is kept goes by a hash of source, compiler, flags and processor, in a folder that only its user may write to: what
lies there is code that the server runs.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import stat
import subprocess
from pathlib import Path

from server.engines.forward import COMPILERS, EngineFault, Unavailable
from server.engines.remembered import processor
from server.settings import cache_folder

FLAGS = ("-std=c++20", "-O3", "-shared", "-fPIC", "-pthread")
PATIENCE = 120  # seconds that the compiler may take


def library(source: Path, folder: Path | None = None) -> ctypes.CDLL:
    """Load the library of a C++ file, building it where it is not there yet.

    Args:
        source: the file; it needs nothing but the compiler's own library.
        folder: where the result is kept; default: in the user's cache folder.

    Returns:
        The loaded library.

    Raises:
        Unavailable: there is no compiler.
        EngineFault: the compiler fails, the folder is not this user's own, or the result cannot be loaded.
    """
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise Unavailable("there is no C++ compiler; install one, or choose another --engine.")
    command = [compiler, *FLAGS, _processor_flag()]
    told = "\n".join([source.read_text(encoding="utf-8"), *command, processor(), _version(compiler)])
    folder = folder or cache_folder().parent / "native"
    path = folder / f"{source.stem}-{hashlib.sha256(told.encode()).hexdigest()[:24]}.so"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(folder)
        if not path.exists():
            _compile([*command, str(source)], path)
        return ctypes.CDLL(str(path))
    except OSError as fault:
        raise EngineFault(f"{source.name} could not be built ({fault}); the generator stays on torch.") from fault


def _compile(command: list[str], path: Path) -> None:
    sibling = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        done = subprocess.run(
            [*command, "-o", str(sibling)], capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode:
            raise EngineFault(f"{command[0]} fails: {done.stderr.strip()[:300]}; the generator stays on torch.")
        sibling.replace(path)
    except subprocess.TimeoutExpired as fault:
        raise EngineFault(f"{command[0]} took more than {PATIENCE} s; the generator stays on torch.") from fault
    finally:
        sibling.unlink(missing_ok=True)


def _check_owner(folder: Path) -> None:
    state = folder.stat()
    if state.st_uid != os.getuid() or stat.S_IMODE(state.st_mode) & 0o022:
        raise EngineFault(f"Others may write to {folder}, so nothing in it is run; delete it, and it is made anew.")


def _processor_flag() -> str:
    """This processor's own instructions, or fewer where oneDNN is held to fewer (to measure what others would see)."""
    return "-march=x86-64-v3" if os.environ.get("ONEDNN_MAX_CPU_ISA", "").startswith("AVX2") else "-march=native"


def _version(compiler: str) -> str:
    state = Path(compiler).resolve().stat()
    return f"{state.st_size} {state.st_mtime_ns}"
