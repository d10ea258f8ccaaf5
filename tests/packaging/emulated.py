"""A library of another system or processor, called like one of `ctypes`: calls.cpp makes the calls there."""

from __future__ import annotations

import ctypes
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Argument = int | None | NDArray[np.float32] | Sequence[NDArray[np.float32]]


class EmulatedLibrary:
    """Calls any function by its name; arrays are what it would have been given the addresses of, and change in place.

    Args:
        command: What runs calls.cpp there, and the library's path as its last word.
    """

    def __init__(self, command: Sequence[str | Path], environment: dict[str, str] | None = None) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._is_open = True

    def close(self) -> None:
        """End the program, and with it all memory that it took; what is to be freed later is not asked for."""
        self._is_open = False
        for stream in (self._input, self._output):
            stream.close()
        self._process.wait(timeout=60)

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name.startswith("_"):
            raise AttributeError(name)
        function = _Function(self, name)
        setattr(self, name, function)  # so that types declared for it stay
        return function

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def _output(self) -> IO[bytes]:
        assert self._process.stdout is not None
        return self._process.stdout

    def _call(self, name: str, arguments: Sequence[Argument]) -> int:
        if not self._is_open:
            return 0
        self._input.write(_number(len(name)) + name.encode() + _number(len(arguments)))
        arrays: list[NDArray[np.float32]] = []
        for argument in arguments:
            arrays += self._send(argument)
        self._input.flush()
        (result,) = struct.unpack("<q", self._received(8))
        for array in arrays:
            array[...] = np.frombuffer(self._received(array.nbytes), array.dtype).reshape(array.shape)
        return int(result)

    def _send(self, argument: Argument) -> list[NDArray[np.float32]]:
        if argument is None or isinstance(argument, int | np.integer):
            self._input.write(_number(0) + _number(int(argument or 0)))
            return []
        is_one = isinstance(argument, np.ndarray)
        arrays = [argument] if is_one else list(argument)
        self._input.write(_number(1) if is_one else _number(2) + _number(len(arrays)))
        for array in arrays:
            self._input.write(_number(array.nbytes) + array.tobytes())
        return arrays

    def _received(self, count: int) -> bytes:
        found = self._output.read(count)
        if len(found) < count:
            raise RuntimeError(f"the emulated program ended with {self._process.wait(timeout=60)}")
        return found


class _Function:
    argtypes: Any = None
    restype: Any = None

    def __init__(self, library: EmulatedLibrary, name: str) -> None:
        self._library, self._name = library, name

    def __call__(self, *arguments: Argument) -> int:
        result = self._library._call(self._name, arguments)
        return result if self.restype in (ctypes.c_void_p, ctypes.c_size_t) else ctypes.c_int(result).value


def _number(value: int) -> bytes:
    return struct.pack("<q", value)
