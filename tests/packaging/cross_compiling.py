"""Compiles our C++ for every platform that wheels are made for, by Zig's compiler, on any of them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.import_graph import ROOT
from weights.winograd import prebuilt

HEADERS = ROOT / "weights" / "winograd"
SOURCES = (
    HEADERS / "prebuilt.cpp",
    ROOT / "server" / "device" / "winograd" / "winograd.cpp",
    ROOT / "trainer" / "nets" / "winograd" / "passes.cpp",
)
FLAGS = (
    "-std=c++20", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast",
    "-mprefer-vector-width=512",  # LLVM alone would use half of an AVX-512 register
    "-mllvm", "-enable-misched=0",  # its scheduler has sums leave their registers: a fifth slower with AVX2
)  # fmt: skip
PATIENCE = 1800  # seconds; the first run builds the C++ runtime of a target as well


@dataclass(frozen=True)
class Platform:
    """What a wheel is made for.

    Attributes:
        tag: In the wheel's name.
        target: What Zig calls it, with the oldest version of the system.
        suffix: Of libraries.
        levels: Of the instruction set, 1 for the plainest.
    """

    tag: str
    target: str
    suffix: str
    levels: tuple[int, ...]


X86, ARM = (1, *prebuilt.LEVELS), (1,)
PLATFORMS = (
    Platform("manylinux_2_28_x86_64", "x86_64-linux-gnu.2.28", ".so", X86),
    Platform("manylinux_2_28_aarch64", "aarch64-linux-gnu.2.28", ".so", ARM),
    Platform("win_amd64", "x86_64-windows-gnu", ".dll", X86),
    Platform("win_arm64", "aarch64-windows-gnu", ".dll", ARM),
    Platform("macosx_11_0_x86_64", "x86_64-macos.11.0", ".dylib", X86),
    Platform("macosx_11_0_arm64", "aarch64-macos.11.0", ".dylib", ARM),
)


def compile_libraries(platform: Platform, folder: Path) -> list[Path]:
    """Compile and link the libraries that a platform's wheel brings along.

    Args:
        platform: One of PLATFORMS.
        folder: Where they are written to, by the names that the loader expects; it must exist.

    Returns:
        Their paths, one for each level of the instruction set.
    """
    libraries = []
    for level in platform.levels:
        library = folder / prebuilt.file_name(level, platform.suffix)
        with tempfile.TemporaryDirectory() as objects:
            _link(platform, [_compiled(platform, level, source, Path(objects)) for source in SOURCES], library)
        libraries.append(library)
    return libraries


def compile_program(platform: Platform, source: Path, program: Path) -> None:
    """Compile a C++ file to a program for a platform."""
    with tempfile.TemporaryDirectory() as objects:
        needed = ["-ldl"] if platform.suffix == ".so" else []
        _zig(
            "-target",
            platform.target,
            "-O3",
            "-s",
            "-o",
            program,
            _compiled(platform, 1, source, Path(objects)),
            *needed,
        )


def _compiled(platform: Platform, level: int, source: Path, folder: Path) -> Path:
    compiled = folder / f"{source.stem}.o"
    processor = [f"-mcpu=x86_64_v{level}"] if level in prebuilt.LEVELS and source.stem != "prebuilt" else []
    _zig("-target", platform.target, *processor, *FLAGS, f"-I{HEADERS}", "-c", source, "-o", compiled)
    return compiled


def _link(platform: Platform, objects: Sequence[Path], library: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:  # lld writes more than the library beside it
        linked = Path(folder, library.name)
        # for all levels the plainest runtime, which is then built once
        _zig("-target", platform.target, "-shared", "-O3", "-s", "-Wl,--gc-sections", "-o", linked, *objects)
        library.write_bytes(linked.read_bytes())


def _zig(*words: str | Path) -> None:
    command = [sys.executable, "-m", "ziglang", "c++", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} fails: {done.stderr[-2000:]}")
