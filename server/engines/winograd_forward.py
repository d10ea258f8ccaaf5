"""Winograd's minimal filtering in C++ (winograd.cpp): a fifth of the products, in float32.

No precision is traded for it: the distance to torch is a few millionths. Lavin and Gray, Fast Algorithms for
Convolutional Neural Networks, 2016.
"""

from __future__ import annotations

import ctypes
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.engines.forward import EngineFault, Forward, Unavailable
from server.engines.winograd_program import PICTURE, Convolution, Program, buffers_of, program_of
from server.settings import cache_folder
from weights import ForeignFolder, Generator, NativeError, NoCompiler
from weights.native import library

SOURCE = Path(__file__).with_name("winograd.cpp")
NO_MEMORY = "there is no memory for the generator; it stays on torch."


def build(generator: Generator, threads: int) -> Forward:
    """Make a generator ready; raises `Unavailable` where its architecture has no such form, or without a compiler."""
    program = program_of(generator)
    return _Winograd(_declared(_built()), program, threads)


def _built() -> ctypes.CDLL:
    """Load the library; raises `Unavailable` without a compiler, another `EngineFault` where it cannot be built."""
    try:
        return library(SOURCE, cache_folder().parent / "native")
    except NoCompiler as fault:
        raise Unavailable(f"{fault}, or choose another --engine.") from fault
    except ForeignFolder as fault:
        raise EngineFault(str(fault)) from fault
    except NativeError as fault:
        raise EngineFault(f"{fault}; the generator stays on torch.") from fault


class _Winograd:
    def __init__(self, native: ctypes.CDLL, program: Program, threads: int) -> None:
        self._native = native
        self._handle = native.winograd_new(threads)
        if not self._handle:
            raise EngineFault(NO_MEMORY)
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
    def _check(failed: int) -> None:
        if failed:
            raise EngineFault(NO_MEMORY)

    def __call__(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        count, channels, height, width = tiles.shape
        tiles = np.ascontiguousarray(tiles, np.float32)
        result = np.empty((count, channels, 2 * height, 2 * width), np.float32)
        for tile, enlarged in zip(tiles, result, strict=True):
            if self._native.winograd_run(self._handle, _address(tile), height, width, _address(enlarged)):
                raise MemoryError(f"no memory for a tile of {width}×{height}")
        return result


def _address(array: NDArray[np.float32] | NDArray[np.int32]) -> int:
    return array.ctypes.data


def _declared(native: ctypes.CDLL) -> ctypes.CDLL:
    number, pointer = ctypes.c_int, ctypes.c_void_p
    native.winograd_new.argtypes, native.winograd_new.restype = [number], pointer
    native.winograd_delete.argtypes, native.winograd_delete.restype = [pointer], None
    native.winograd_buffer.argtypes = [pointer, number]
    native.winograd_convolve.argtypes = [pointer, number, number, pointer, number, number, pointer, pointer]
    native.winograd_follow.argtypes = [pointer, number, number, number, pointer]
    native.winograd_run.argtypes = [pointer, pointer, number, number, pointer]
    return native
