"""A generator on a Vulkan device, by ncnn, in float32. ncnn is imported when the first one is made.

ncnn keeps one Vulkan instance for the process. It is never destroyed here: doing so while a network is left ends the
process. Half precision is off: on noise it failed the self-test.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.device.vulkan.program import INPUT, OUTPUT, VulkanFault, program_of
from weights import Generator

HALF = ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_packed", "bf16_storage")
MEMORY_OUT = -100  # ncnn's


class VulkanNetwork:
    """A generator ready to run on a Vulkan device; used by one thread at a time.

    Args:
        generator: float32, on the CPU; not changed.
        index: The device's number, as `vulkan_devices` counts.

    Raises:
        VulkanFault: A layer that ncnn does not have, no ncnn, or a device that fails.
    """

    def __init__(self, generator: Generator, index: int) -> None:
        program = program_of(generator)
        self._adds_nearest = generator.adds_nearest
        self._ncnn = _ncnn()
        self._net = self._ncnn.Net()
        options = self._net.opt
        options.use_vulkan_compute = True
        options.num_threads = 1  # of the CPU, which only copies: torch's threads keep the cores
        for name in HALF:
            setattr(options, f"use_{name}", False)
        self._net.set_vulkan_device(index)
        numbers = _reader(self._ncnn, program.numbers)
        if self._net.load_param_mem(program.layers) or self._net.load_model(numbers):
            raise VulkanFault("ncnn does not load this generator")

    def __call__(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enlarge (N, 3, H, W), float32, 0…1, to (N, 3, 2H, 2W).

        Args:
            tiles: any N, H and W of at least 1.

        Returns:
            The sum with the nearest-neighbour enlargement, not clipped.

        Raises:
            MemoryError: The device has no memory for such a tile.
            VulkanFault: The device fails, or is lost.
        """
        return np.stack([self._enlarge(tile) for tile in tiles])

    def _enlarge(self, tile: NDArray[np.float32]) -> NDArray[np.float32]:
        _, height, width = tile.shape
        low_res = self._ncnn.Mat(width, height, 3)
        low_res.numpy()[:] = tile  # copied, because ncnn leaves gaps between channels
        extractor = self._net.create_extractor()
        extractor.input(INPUT, low_res)
        failed, found = extractor.extract(OUTPUT)
        if failed == MEMORY_OUT:
            raise MemoryError(f"the device has no memory for a tile of {width}×{height}")
        result = np.array(found.numpy(), np.float32) if not failed and not found.empty() else np.empty(0, np.float32)
        if result.shape != (3, 2 * height, 2 * width):
            raise VulkanFault("the device fails or is lost")
        if self._adds_nearest:
            result.reshape(3, height, 2, width, 2)[:] += tile[:, :, None, :, None]
        return result


def _reader(ncnn: Any, numbers: bytes) -> Any:
    """Return what ncnn reads numbers from; it copies them, where its reader of memory would keep the address."""
    address_of = ctypes.pythonapi.PyCapsule_GetPointer
    address_of.argtypes, address_of.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p

    class Reader(ncnn.DataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._at = 0

        def read(self, target: object, size: int) -> int:
            part = numbers[self._at : self._at + size]
            ctypes.memmove(address_of(target, None), part, len(part))
            self._at += len(part)
            return len(part)

    return Reader()


def _ncnn() -> Any:
    try:
        import ncnn
    except (ImportError, OSError) as fault:
        raise VulkanFault(f"ncnn cannot be imported ({fault})") from fault
    return ncnn
