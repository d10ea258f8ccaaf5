"""Rates of this machine and of bare generators on it, measured in this process. torch; no HTTP.

Every figure is a median of runs after a warm-up; on a GPU each run ends with a synchronisation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from server.device.model_cache import place
from server.device.timing import median_seconds
from server.device.torch_engine import run_generator
from server.device.vulkan.network import VulkanNetwork
from server.device.winograd.network import WinogradNetwork
from weights import Generator

MATRIX_SIDE = {"cpu": 1024, "cuda": 8192}
Forward = Callable[[NDArray[np.float32]], NDArray[np.float32]]
CHANNELS = 48  # of the convolution whose rate is measured: those of `compact`


@dataclass(frozen=True)
class Speed:
    """A bare generator on one engine: how many input pixels, and how many operations, in a second."""

    megapixels: float  # 10⁶ input pixels per second, context counted in
    operations: float  # 10⁹ multiplications and additions per second
    seconds: float  # median of one tile


def matrix_rate(device: torch.device, dtype: torch.dtype, patience: float) -> float:
    """Measure the product of two square matrices, in 10⁹ operations per second."""
    side = MATRIX_SIDE.get(device.type, 1024)
    left, right = (torch.rand(side, side, device=device, dtype=torch.float32).to(dtype) for _ in range(2))
    with torch.inference_mode():
        return 2 * side**3 / median_seconds(lambda: _synchronised(left @ right), patience) / 1e9


def convolution_rate(device: torch.device, dtype: torch.dtype, side: int, patience: float) -> float:
    """Measure one 3×3 convolution between CHANNELS channels, in 10⁹ operations per second."""
    layer = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1).to(device, dtype).requires_grad_(False)
    layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    tile = torch.rand(1, CHANNELS, side, side, device=device).to(dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        seconds = median_seconds(lambda: _synchronised(layer(tile)), patience)
    return 2 * 9 * CHANNELS**2 * side**2 / seconds / 1e9


def bare_speed(
    generator: Generator, engine: str, device: torch.device, dtype: torch.dtype, tile: int, patience: float
) -> Speed:
    """Measure a generator without tiling, queue or server.

    Args:
        generator: float32, on the CPU.
        engine: "torch", "vulkan:N" or, on a CPU, "winograd".
        device: where it runs.
        dtype: its precision on torch; the others compute in float32.
        tile: side of the tile, context included, in pixels.
        patience: seconds to spend.

    Returns:
        Its speed.

    Raises:
        CannotRun: the engine cannot run this generator here.
    """
    run = bare(generator, engine, device, dtype)
    tiles = np.random.default_rng(0).random((1, 3, tile, tile), dtype=np.float32)
    seconds = median_seconds(lambda: run(tiles), patience, warm_ups=3)
    return Speed(tile * tile / seconds / 1e6, operations_per_pixel(generator) * tile * tile / seconds / 1e9, seconds)


def bare(generator: Generator, engine: str, device: torch.device, dtype: torch.dtype) -> Forward:
    """Make a generator ready as the server does; the arguments are those of `bare_speed`."""
    if engine == "winograd":
        return WinogradNetwork(generator, torch.get_num_threads())
    if engine.startswith("vulkan"):
        return VulkanNetwork(generator, int(engine.partition(":")[2]))
    placed = place(generator, device, dtype)
    return lambda tiles: run_generator(placed, device, dtype, tiles)


def operations_per_pixel(generator: Generator) -> float:
    """Count multiplications and additions of a generator's convolutions per input pixel."""
    counted = 0
    side = 32

    def count(module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        nonlocal counted
        counted += 2 * module.get_parameter("weight").numel() * output.shape[2] * output.shape[3]

    hooks = [each.register_forward_hook(count) for each in generator.modules() if isinstance(each, nn.Conv2d)]
    try:
        with torch.inference_mode():
            generator(torch.zeros(1, 3, side, side))
    finally:
        for hook in hooks:
            hook.remove()
    return counted / side**2


def _synchronised(result: torch.Tensor) -> torch.Tensor:
    if result.device.type == "cuda":
        torch.cuda.synchronize(result.device)
    return result
