"""The libraries that wheels for single platforms bring along: run where they can be, and held to one compiled here."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from server.device.winograd import network
from server.device.winograd.program import program_of
from tests.packaging.cross_compiling import PLATFORMS, Platform, compile_libraries, compile_program
from tests.packaging.emulated import EmulatedLibrary
from tests.trainer.nets.compact import trained_compact
from trainer.nets.winograd import choice, convolutions
from weights import Generator, build_generator
from weights.winograd import building, compiler

pytest.importorskip("ziglang", reason="there is no Zig to compile for other platforms: pip install ziglang")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # the first time, Zig builds each target's C++ runtime as well
    pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler to compare with"),
]
CALLS = Path(__file__).with_name("calls.cpp")
LARGEST = 300_000  # bytes
ROUNDING = 1e-6  # relative norm
LARGEST_ROUNDING = 2e-6  # of the largest number: single ones differ by up to 1.2e-6 from processor to processor
ROUNDING_OF_SUMS = 1e-5  # of a gradient, relative norm: over all pixels, and torch's own is as far away
# Sums round otherwise where products are not fused with them, so each level is compared with its like; ARM fuses.
FLAGS = {1: "-march=x86-64", 3: "-march=x86-64-v3", 4: "-march=native"}
NAMES = {platform.tag: platform for platform in PLATFORMS}
LINUX, LINUX_ARM, WINDOWS = (NAMES[tag] for tag in ("manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "win_amd64"))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Platform], list[Path]]:
    """Compiles a platform's libraries, once."""
    done: dict[Platform, list[Path]] = {}

    def compile_once(platform: Platform) -> list[Path]:
        if platform not in done:
            done[platform] = compile_libraries(platform, tmp_path_factory.mktemp(platform.tag))
        return done[platform]

    return compile_once


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.tag)
def test_each_library_is_small_and_of_its_system_and_processor(
    platform: Platform, compiled: Callable[[Platform], list[Path]]
) -> None:
    for path in compiled(platform):
        content = path.read_bytes()
        assert len(content) < LARGEST, path.name
        assert _kind(content) == {
            "manylinux_2_28_x86_64": ("ELF", 62), "manylinux_2_28_aarch64": ("ELF", 183),
            "win_amd64": ("PE", 0x8664), "win_arm64": ("PE", 0xAA64),
            "macosx_11_0_x86_64": ("Mach-O", 0x01000007), "macosx_11_0_arm64": ("Mach-O", 0x0100000C),
        }[platform.tag]  # fmt: skip
        assert all(name in content for name in (b"native_level", b"winograd_run", b"passes_backward"))
        assert all(minor <= 28 for minor in map(int, re.findall(rb"GLIBC_2\.(\d+)", content)))
    if platform.tag == "macosx_11_0_arm64":
        assert _is_signed(compiled(platform)[0].read_bytes())  # such a Mac runs nothing else


def _kind(content: bytes) -> tuple[str, int]:
    """Return a library's format, and the number of its processor in that format."""
    if content.startswith(b"\x7fELF"):
        return "ELF", int(struct.unpack_from("<H", content, 18)[0])
    if content.startswith(b"MZ"):
        (header,) = struct.unpack_from("<I", content, 60)
        return "PE", int(struct.unpack_from("<H", content, header + 4)[0])
    assert content.startswith(b"\xcf\xfa\xed\xfe")
    return "Mach-O", int(struct.unpack_from("<I", content, 4)[0])


def _is_signed(content: bytes) -> bool:
    place, signature = 32, 0x1D  # after the header; LC_CODE_SIGNATURE
    for _ in range(struct.unpack_from("<I", content, 16)[0]):
        command, length = struct.unpack_from("<II", content, place)
        if command == signature:
            return True
        place += length
    return False


Native = ctypes.CDLL | EmulatedLibrary
TILE = np.random.default_rng(3).random((1, 3, 23, 61), dtype=np.float32)


@contextlib.contextmanager
def _arrays_for(native: Native) -> Iterator[None]:
    """Have an emulated library given arrays rather than their addresses."""
    with pytest.MonkeyPatch.context() as patch:
        if isinstance(native, EmulatedLibrary):
            patch.setattr(network, "_address", lambda array: array)
            patch.setattr(convolutions, "_address", lambda tensor: tensor.numpy())
            patch.setattr(convolutions, "_addresses", lambda tensors: [tensor.numpy() for tensor in tensors])
        yield


def _enlarged(native: Native, generator: Generator) -> NDArray[np.float32]:
    return network.CompiledProgram(program_of(generator), 2, network.declared(native))(TILE)


def _gradients(native: Native, generator: Generator) -> list[NDArray[np.float32]]:
    passes = convolutions.Passes(choice.declared(native), *convolutions._sizes(generator))
    parameters = tuple(each.detach() for each in convolutions._parameters(generator, passes))
    results, state = passes.forward(torch.from_numpy(TILE), parameters)
    biases = [generator.get_parameter(name) for name in generator.state_dict() if name.endswith("bias")]
    features, outputs = len(biases[0]), len(biases[-1])
    gradient = torch.zeros_like(results)
    gradient[..., :outputs] = torch.linspace(-1, 1, outputs * results[..., 0].numel()).view(*results.shape[:-1], -1)
    gradients = passes.backward(torch.Size(TILE.shape), gradient, state, parameters)
    first, points, last, bias, last_bias, slope = (each.numpy() for each in gradients)  # less what fills up vectors
    return [
        results.numpy()[..., :outputs], first[:, :features], points[..., :features, :features],
        last[:, :features, :outputs], bias[:, :features], last_bias[:outputs], slope[:, :features],
    ]  # fmt: skip


def _agree(native: Native, flag: str, features: int, folder: Path) -> None:
    """Hold a library's server and trainer functions to what is compiled here with such a flag."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "_processor_flag", lambda: flag)
        here, here_training = (building.build(source, folder) for source in (network.SOURCE, choice.SOURCE))
    torch.manual_seed(features)
    generator = build_generator("compact", {"features": features, "layers": 2}).eval()
    trained = trained_compact(features)
    with _arrays_for(native):
        enlarged, gradients = _enlarged(native, generator), _gradients(native, trained)
    _close(enlarged, _enlarged(here, generator))
    (results, *sums), (expected, *expected_sums) = gradients, _gradients(here_training, trained)
    _close(results, expected)
    for found, expected in zip(sums, expected_sums, strict=True):
        assert np.linalg.norm(found - expected) <= ROUNDING_OF_SUMS * np.linalg.norm(expected)


def _close(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    difference = np.abs(found - expected)
    assert np.linalg.norm(difference) <= ROUNDING * np.linalg.norm(expected)
    assert difference.max() <= LARGEST_ROUNDING * np.abs(expected).max()


@pytest.mark.parametrize("level", LINUX.levels)
def test_the_linux_libraries_give_the_numbers_of_one_compiled_here(
    level: int, compiled: Callable[[Platform], list[Path]], tmp_path: Path
) -> None:
    native = ctypes.CDLL(str(compiled(LINUX)[LINUX.levels.index(level)]))
    if native.native_level() < level:
        pytest.skip(f"this processor has no instructions of level {level}")
    for features in (5, 48):
        _agree(native, FLAGS[level], features, tmp_path / "native")


@pytest.fixture
def emulated() -> Iterator[Callable[..., EmulatedLibrary]]:
    """Starts a library elsewhere."""
    started: list[EmulatedLibrary] = []

    def start(command: list[str | Path], **environment: str) -> EmulatedLibrary:
        started.append(EmulatedLibrary(command, {**os.environ, **environment}))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_the_linux_library_for_arm_gives_the_numbers_of_one_compiled_here(
    compiled: Callable[[Platform], list[Path]], emulated: Callable[..., EmulatedLibrary], tmp_path: Path
) -> None:
    emulator, system = shutil.which("qemu-aarch64"), Path("/usr/aarch64-linux-gnu")
    if emulator is None or not (system / "lib" / "libc.so.6").exists():
        pytest.skip("there is no qemu-aarch64 with its C library: apt install qemu-user libc6-arm64-cross")
    compile_program(LINUX_ARM, CALLS, tmp_path / "calls")
    native = emulated([emulator, "-L", str(system), tmp_path / "calls", compiled(LINUX_ARM)[0]])
    for features in (5, 48):
        _agree(native, FLAGS[3], features, tmp_path / "native")


@pytest.mark.parametrize("level", WINDOWS.levels)
def test_the_windows_libraries_give_the_numbers_of_one_compiled_here(
    level: int, compiled: Callable[[Platform], list[Path]], emulated: Callable[..., EmulatedLibrary], tmp_path: Path
) -> None:
    wine = shutil.which("wine64", path=f"{os.environ['PATH']}:/usr/lib/wine")
    if wine is None:
        pytest.skip("there is no Wine: apt install wine64")
    compile_program(WINDOWS, CALLS, tmp_path / "calls.exe")
    library = compiled(WINDOWS)[WINDOWS.levels.index(level)]
    prefix = {"WINEPREFIX": str(tmp_path / "wine"), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree,mshtml="}
    native = emulated([wine, tmp_path / "calls.exe", f"Z:{library}"], **prefix)
    if native.native_level() < level:
        pytest.skip(f"this processor has no instructions of level {level}")
    for features in (5, 48):
        _agree(native, FLAGS[level], features, tmp_path / "native")
