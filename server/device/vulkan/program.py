"""A generator as ncnn reads it: a text that lists the layers, and their numbers one after another. No ncnn.

The generator is traced, so that it is its own description; what ncnn has no layer for is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from server.errors import CannotRun
from weights import Generator

MAGIC = "7767517"
RAW = bytes(4)  # before the numbers of a convolution: they are float32
INPUT, OUTPUT = "low_res", "residual"


class VulkanFault(CannotRun):
    """A generator cannot be run by ncnn; `str()` is a clause that says why."""


@dataclass(frozen=True)
class Program:
    """What ncnn loads."""

    layers: str  # ncnn's text, from the blob INPUT (3, H, W) to the blob OUTPUT
    numbers: bytes  # weights and biases, float32, little-endian


def program_of(generator: Generator) -> Program:
    """Describe a generator, without the nearest-neighbour enlargement that is added to it.

    Args:
        generator: float32, on the CPU; not changed.

    Returns:
        Its layers and their numbers.

    Raises:
        VulkanFault: It has a layer that is not known here.
    """
    try:
        traced = fx.Tracer().trace(generator)
    except (fx.proxy.TraceError, TypeError, RuntimeError) as fault:
        raise VulkanFault(f"{generator.architecture} cannot be traced ({fault})") from fault
    writer = _Writer(generator)
    for node in traced.nodes:
        writer.add(node)
    lines = writer.lines
    return Program("\n".join([MAGIC, f"{len(lines)} {writer.blobs}", *lines, ""]), b"".join(writer.numbers))


class _Writer:
    """Writes the layers in the order in which they run."""

    def __init__(self, generator: Generator) -> None:
        self.lines: list[str] = []
        self.numbers: list[bytes] = []
        self.blobs = 0
        self._generator = generator
        self._unread: dict[fx.Node, list[str]] = {}  # the blobs of each result; each is read once

    def add(self, node: fx.Node) -> None:
        """Write the layer of one traced step."""
        if node.op == "output":
            self._layer("Noop", self._read(node.args[0]), [OUTPUT])
            return
        layer = self._module(node) if node.op == "call_module" else self._function(node)
        if node.op == "placeholder":
            layer = "Input"
        if layer is None:
            raise VulkanFault(f"{self._generator.architecture} has a step that ncnn has no layer for: {node}")
        blob = INPUT if layer == "Input" else node.name
        kind, _, parameters = layer.partition(" ")
        self._layer(kind, [name for each in _sources(node) for name in self._read(each)], [blob], parameters)
        self._unread[node] = [blob]
        if _reads(node) > 1:
            self._unread[node] = [f"{blob}.{number}" for number in range(_reads(node))]
            self._layer("Split", [blob], self._unread[node])

    def _layer(self, kind: str, sources: list[str], targets: list[str], parameters: str = "") -> None:
        counts = f"{len(sources)} {len(targets)}"
        self.lines.append(f"{kind} layer_{len(self.lines)} {counts} {' '.join([*sources, *targets])} {parameters}")
        self.blobs += len(targets)

    def _read(self, node: Any) -> list[str]:
        return [self._unread[node].pop()]

    def _module(self, node: fx.Node) -> str | None:
        module = self._generator.get_submodule(str(node.target))
        if isinstance(module, nn.Conv2d):
            return self._convolution(module)
        if isinstance(module, nn.PReLU):
            self.numbers.append(_bytes(module.weight))
            return f"PReLU 0={module.weight.numel()}"
        if isinstance(module, nn.LeakyReLU):
            return f"ReLU 0={module.negative_slope}"
        if isinstance(module, nn.PixelShuffle):
            return f"PixelShuffle 0={module.upscale_factor}"
        return "Swish" if isinstance(module, nn.SiLU) else None

    def _convolution(self, module: nn.Conv2d) -> str | None:
        pairs = (module.kernel_size, module.dilation, module.stride, module.padding)
        if module.groups != 1 or module.padding_mode != "zeros" or any(len(set(pair)) != 1 for pair in pairs):
            return None
        self.numbers += [RAW, _bytes(module.weight), *([] if module.bias is None else [_bytes(module.bias)])]
        size, dilation, stride, padding = (pair[0] for pair in pairs)
        return (
            f"Convolution 0={module.out_channels} 1={size} 2={dilation} 3={stride} 4={padding} "
            f"5={int(module.bias is not None)} 6={module.weight.numel()}"
        )

    def _function(self, node: fx.Node) -> str | None:
        describe = FUNCTIONS.get(node.target) if node.op == "call_function" else None
        return None if describe is None else describe(*node.args, **node.kwargs)


def _concatenation(_parts: object, dim: int = 0) -> str | None:
    return "Concat 0=0" if dim == 1 else None


def _sum(_first: object, second: object, alpha: float = 1.0) -> str | None:
    return f"Eltwise 0=1 -23301=2,1.0,{alpha}" if isinstance(second, fx.Node) else None


FUNCTIONS: dict[Any, Callable[..., str | None]] = {
    torch.cat: _concatenation,
    torch.add: _sum,
    functional.pixel_shuffle: lambda _input, factor: f"PixelShuffle 0={factor}",
    functional.leaky_relu: lambda _input, slope: f"ReLU 0={slope}",
}


def _sources(node: fx.Node) -> list[fx.Node]:
    found: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), found.append)
    return found


def _reads(node: fx.Node) -> int:
    return sum(source is node for user in node.users for source in _sources(user))


def _bytes(numbers: Tensor) -> bytes:
    return numbers.detach().numpy().astype("<f4").tobytes()
