"""A generator in the form of winograd.cpp: a fifth of the products, in float32.

No precision is traded for it: the distance to torch is a few millionths. Lavin and Gray, Fast Algorithms for
Convolutional Neural Networks, 2016.
"""

from __future__ import annotations

import ctypes
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.device.winograd.program import PICTURE, Convolution, Program, WinogradFault, buffers_of, program_of
from server.settings import cache_folder
from weights import Generator, NativeError
from weights.winograd import library

SOURCE = Path(__file__).with_name("winograd.cpp")


class CompiledProgram:
    """A list of convolutions ready to run on the CPU; used by one thread at a time.

    Args:
        program: What the generator computes, as `program_of` describes it.
        threads: How many it may use.
        native: The library of winograd.cpp, as `load_kernel` returns it.

    Raises:
        WinogradFault: There is no memory.
    """

    def __init__(self, program: Program, threads: int, native: ctypes.CDLL) -> None:
        self._native = native
        self._handle = native.winograd_new(threads)
        self._check(not self._handle)
        weakref.finalize(self, native.winograd_delete, self._handle)
        channels, places = buffers_of(program)
        for each in channels:
            self._check(native.winograd_buffer(self._handle, each))
        for number, convolution in enumerate(program):
            self._add(convolution, places, PICTURE if number == len(places) else places[number])

    def _add(self, convolution: Convolution, places: list[int], target: int) -> None:
        def place(source: int) -> int:
            return PICTURE if source == PICTURE else places[source]

        outputs, _, size, _ = convolution.weight.shape
        sources = np.array([place(source) for source in convolution.sources], np.int32)
        arrays = (np.ascontiguousarray(each, np.float32) for each in (convolution.weight, convolution.bias))
        added = self._native.winograd_convolve(
            self._handle, size, len(sources), _address(sources), target, outputs, *map(_address, arrays)
        )
        self._check(added)
        for step in convolution.steps:
            factors = np.ascontiguousarray(step.factors, np.float32)
            arguments = (int(step.kind), place(step.source), len(factors), _address(factors))
            self._check(self._native.winograd_follow(self._handle, *arguments))

    @staticmethod
    def _check(failed: int | bool) -> None:
        if failed:
            raise WinogradFault("there is no memory for the generator")

    def __call__(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enlarge (N, 3, H, W), float32, 0…1, to (N, 3, 2H, 2W), float32; any N, H and W."""
        count, channels, height, width = tiles.shape
        tiles = np.ascontiguousarray(tiles, np.float32)
        result = np.empty((count, channels, 2 * height, 2 * width), np.float32)
        for tile, enlarged in zip(tiles, result, strict=True):
            if self._native.winograd_run(self._handle, _address(tile), height, width, _address(enlarged)):
                raise MemoryError(f"no memory for a tile of {width}×{height}")
        return result


class WinogradNetwork(CompiledProgram):
    """A generator ready to run on the CPU; used by one thread at a time.

    Args:
        generator: Of an architecture that `program_of` knows, float32, on the CPU; not changed.
        threads: How many it may use.
        folder: Where a kernel that is built here is kept; None means in the user's cache folder.

    Raises:
        WinogradFault: Another architecture, no kernel, or no memory.
    """

    def __init__(self, generator: Generator, threads: int, folder: Path | None = None) -> None:
        super().__init__(program_of(generator), threads, load_kernel(folder))


def load_kernel(folder: Path | None = None) -> ctypes.CDLL:
    """Load the library of winograd.cpp, which came with the package or is built here.

    Args:
        folder: Where what is built is kept; None means in the user's cache folder.

    Returns:
        The library, its functions declared.

    Raises:
        WinogradFault: It cannot be loaded, nor built.
    """
    try:
        return declared(library(SOURCE, folder or cache_folder().with_name("native")))
    except NativeError as fault:
        raise WinogradFault(str(fault)) from fault


def _address(array: NDArray[np.float32] | NDArray[np.int32]) -> int:
    return array.ctypes.data


def declared(native: ctypes.CDLL) -> ctypes.CDLL:
    """Return a library of winograd.cpp with the types of its functions declared."""
    number, pointer = ctypes.c_int, ctypes.c_void_p
    native.winograd_new.argtypes, native.winograd_new.restype = [number], pointer
    native.winograd_delete.argtypes, native.winograd_delete.restype = [pointer], None
    native.winograd_buffer.argtypes = [pointer, number]
    native.winograd_convolve.argtypes = [pointer, number, number, pointer, number, number, pointer, pointer]
    native.winograd_follow.argtypes = [pointer, number, number, number, pointer]
    native.winograd_run.argtypes = [pointer, pointer, number, number, pointer]
    return native
