"""A `compact` generator in the form of winograd.cpp: a fifth of the products, in float32, built on this machine.

No precision is traded for it: the distance to torch is a few millionths. Lavin and Gray, Fast Algorithms for
Convolutional Neural Networks, 2016.
"""

from __future__ import annotations

import ctypes
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.device.winograd.layers import Convolution, Layer, Slope, WinogradFault, layers_of
from server.settings import cache_folder
from weights import Generator, NativeError
from weights.winograd import KERNEL_TRANSFORM, library

SOURCE = Path(__file__).with_name("winograd.cpp")
TRANSFORM = np.array(KERNEL_TRANSFORM)
OUTPUTS = 12  # of the last layer: three colours of 2×2 pixels


class WinogradNetwork:
    """A generator ready to run on the CPU; used by one thread at a time.

    Args:
        generator: `compact`, float32, on the CPU; not changed.
        threads: how many it may use.
        folder: where the compiled kernel is kept; None means in the user's cache folder.

    Raises:
        WinogradFault: another architecture, no compiler, or no memory.
    """

    def __init__(self, generator: Generator, threads: int, folder: Path | None = None) -> None:
        layers = _checked(layers_of(generator))
        self._native = native = _kernel(folder or cache_folder().with_name("native"))
        self._handle = native.winograd_new(threads)
        if not self._handle:
            raise WinogradFault("there is no memory for the generator")
        weakref.finalize(self, native.winograd_delete, self._handle)
        slopes = [layer.slope for layer in layers if isinstance(layer, Slope)]
        for index, layer in enumerate(_convolutions(layers)):
            self._add(layer, slopes[index] if index < len(slopes) else None, is_first=index == 0)

    def _add(self, layer: Convolution, slope: NDArray[np.float32] | None, *, is_first: bool) -> None:
        outputs, inputs = layer.weight.shape[:2]
        wide, deep = self._whole(outputs), inputs if is_first else self._whole(inputs)
        points = _untransformed(layer.weight) if is_first else _transformed(layer.weight)
        weight = np.zeros((len(points), deep if points.ndim == 3 else 1, wide), np.float32)
        weight[:, : points.shape[1] if points.ndim == 3 else 1, :outputs] = points.reshape(len(points), -1, outputs)
        bias, slopes = (np.zeros(wide, np.float32) for _ in range(2))
        bias[:outputs] = layer.bias
        if slope is not None:
            slopes[:outputs] = slope
        rows = weight.shape[0] * weight.shape[1]
        if self._native.winograd_add(self._handle, deep, wide, rows, *map(_address, (weight, bias, slopes))):
            raise WinogradFault("there is no memory for the generator")

    def _whole(self, features: int) -> int:
        lanes: int = self._native.winograd_lanes()
        return -(-features // lanes) * lanes

    def __call__(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enlarge (N, 3, H, W), float32, 0…1, to (N, 3, 2H, 2W), float32; any N, H and W."""
        count, channels, height, width = tiles.shape
        tiles = np.ascontiguousarray(tiles, np.float32)
        result = np.empty((count, channels, 2 * height, 2 * width), np.float32)
        for tile, enlarged in zip(tiles, result, strict=True):
            if self._native.winograd_run(self._handle, _address(tile), height, width, _address(enlarged)):
                raise MemoryError(f"no memory for a tile of {width}×{height}")
        return result


def _kernel(folder: Path) -> ctypes.CDLL:
    try:
        return _declared(library(SOURCE, folder))
    except NativeError as fault:
        raise WinogradFault(str(fault)) from fault


def _checked(layers: list[Layer]) -> list[Layer]:
    expected = [Convolution, Slope] * (len(layers) // 2) + [Convolution]
    kinds = [type(layer) for layer in layers]
    if kinds != expected or len(layers) < 3 or len(_convolutions(layers)[-1].bias) != OUTPUTS:
        raise WinogradFault("this compact generator has layers in another order")
    return layers


def _convolutions(layers: list[Layer]) -> list[Convolution]:
    return [layer for layer in layers if isinstance(layer, Convolution)]


def _transformed(weight: NDArray[np.float32]) -> NDArray[np.float64]:
    """(outputs, inputs, 3, 3) → (64, inputs, outputs)."""
    points: NDArray[np.float64] = np.einsum("ay,oiyx,bx->abio", TRANSFORM, weight.astype(np.float64), TRANSFORM)
    return points.reshape(-1, *points.shape[2:])


def _untransformed(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """(outputs, 3, 3, 3) → (27, outputs)."""
    return weight.transpose(1, 2, 3, 0).reshape(-1, len(weight))


def _address(array: NDArray[np.float32]) -> int:
    return array.ctypes.data


def _declared(native: ctypes.CDLL) -> ctypes.CDLL:
    number, pointer = ctypes.c_int, ctypes.c_void_p
    native.winograd_new.argtypes, native.winograd_new.restype = [number], pointer
    native.winograd_delete.argtypes, native.winograd_delete.restype = [pointer], None
    native.winograd_add.argtypes = [pointer, number, number, number, pointer, pointer, pointer]
    native.winograd_run.argtypes = [pointer, pointer, number, number, pointer]
    return native
