"""Both passes of `compact` by Winograd's filtering (passes.cpp), as torch's differentiation sees them.

Features are padded to whole vectors and weights transformed by torch itself, so that it also takes the gradients back.
"""

from __future__ import annotations

import ctypes
import math
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from trainer.nets.reparameterisation import USUAL_SLOPE, FixedSlope, OverParameterisedConv2d
from weights import Generator
from weights.winograd import KERNEL_TRANSFORM

COLOURS = 3
WEIGHTS = 8  # arrays in `Weights` of network.hpp
ALIGNMENT = 64  # bytes: of the widest vectors
TRANSFORM = torch.tensor(KERNEL_TRANSFORM, dtype=torch.float64)
TRANSFORMS = torch.kron(TRANSFORM, TRANSFORM).float()  # (64, 9): of rows and columns


def convolve_by_winograd(generator: Generator, native: ctypes.CDLL) -> None:
    """Make a generator compute its residual in C++; torch does the rest.

    The rest: in another precision or under autocast, off the CPU, and where the pictures' own gradient is asked for.

    Args:
        generator: `compact`, plain or over-parameterised. Changed in place; parameters and their names stay, and
            so does what it computes, to about a millionth. A copy of it does the same.
        native: The library of passes.cpp.
    """
    passes = Passes(native, *_sizes(generator))
    # deepcopy follows a partial's arguments and a method's owner: a copy has its own, where a closure would keep ours
    generator.forward = partial(_forward, generator, passes, generator.forward)


class Passes:
    """Both passes of generators of one size; memory is kept from step to step.

    Args:
        native: The library.
        features: Of the generator.
        layers: Between its first and last convolution.
        outputs: Of its last convolution.

    Attributes:
        features: Rounded up to whole vectors.
        outputs: Rounded up to whole vectors.

    Raises:
        MemoryError: There is none left.
    """

    def __init__(self, native: ctypes.CDLL, features: int, layers: int, outputs: int) -> None:
        lanes = native.passes_lanes()
        self.features, self.outputs = (-(-count // lanes) * lanes for count in (features, outputs))
        self._native, self._layers = native, layers
        self._handle = native.passes_new(self.features, layers, self.outputs)
        if not self._handle:
            raise MemoryError("no memory for the generator's passes")
        weakref.finalize(self, native.passes_delete, self._handle)
        self._lock = threading.Lock()  # memory for intermediate results is one thread's at a time
        self._states: list[Tensor] = []  # of forward passes whose backward pass is over

    def __deepcopy__(self, memo: dict[int, Any]) -> Passes:
        return Passes(self._native, self.features, self._layers, self.outputs)

    def forward(self, low_res: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Map (N, 3, H, W) to (N, H, W, outputs); return the state that `backward` needs, too."""
        count, _, height, width = low_res.shape
        results = _memory(count, height, width, self.outputs)
        state = self._state(count * self._native.passes_state(self._handle, height, width))
        self._run(self._native.passes_forward, parameters, low_res.shape, low_res, state, results)
        return results, state

    def backward(
        self, shape: torch.Size, gradient: Tensor, state: Tensor, parameters: Sequence[Tensor]
    ) -> list[Tensor]:
        """Return the gradients of the parameters, from the gradient of the results and the shape of low_res."""
        _, points, last, *_ = parameters
        turned = [_aligned(each.transpose(-1, -2)) for each in (points, last)]
        gradients = _memory(sum(each.numel() for each in parameters))
        self._run(self._native.passes_backward, [*parameters, *turned], shape, gradient, state, gradients)
        parts = torch.split(gradients, [each.numel() for each in parameters])
        return [part.view_as(each) for part, each in zip(parts, parameters, strict=True)]

    def give_back(self, state: Tensor) -> None:
        """Keep a state's memory for the next forward pass; a state that nobody gives back is freed like any tensor."""
        self._states.append(state)

    def _state(self, floats: int) -> Tensor:
        kept = self._states.pop() if self._states else None
        return kept if kept is not None and kept.numel() >= floats else _memory(floats)

    def _run(self, function: Any, weights: Sequence[Tensor], shape: torch.Size, *tensors: Tensor) -> None:
        count, _, height, width = shape
        arguments = (torch.get_num_threads(), _addresses(weights), count, height, width, *map(_address, tensors))
        with self._lock:
            if function(self._handle, *arguments):
                raise MemoryError(f"no memory for {count} pictures of {width}×{height}; choose smaller batches")


class _Convolutions(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, passes: Passes, low_res: Tensor, *parameters: Tensor) -> Tensor:
        parameters = tuple(map(_aligned, parameters))
        results, context.state = passes.forward(low_res.contiguous(), parameters)
        context.passes, context.shape = passes, low_res.shape
        context.save_for_backward(*parameters)
        return results

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if context.state is None:
            raise RuntimeError(
                "A second backward pass came through the same pictures, one was expected: what it needs was given up "
                "after the first; compute the forward pass again."
            )
        gradients = context.passes.backward(context.shape, _aligned(gradient), context.state, context.saved_tensors)
        context.passes.give_back(context.state)
        context.state = None
        return (None, None, *gradients)


def _forward(generator: Generator, passes: Passes, forward: Callable[[Tensor], Tensor], low_res: Tensor) -> Tensor:
    """Do what `convolve_by_winograd` says, with the generator's own forward pass for the rest."""
    recorded = torch.is_grad_enabled()
    other = (recorded and low_res.requires_grad) or torch.is_autocast_enabled("cpu")
    if other or low_res.device.type != "cpu" or low_res.dtype != torch.float32:
        return forward(low_res)
    parameters = _parameters(generator, passes)
    if recorded and any(each.requires_grad for each in parameters):
        results: Tensor = _Convolutions.apply(passes, low_res, *parameters)  # type: ignore[no-untyped-call]
    else:
        results, state = passes.forward(low_res.contiguous(), tuple(map(_aligned, parameters)))
        passes.give_back(state)
    residual = results[..., : COLOURS * generator.scale**2].permute(0, 3, 1, 2)
    return functional.pixel_shuffle(residual, generator.scale)


def _parameters(generator: Generator, passes: Passes) -> tuple[Tensor, ...]:
    """Return the `Parameters` of network.hpp: first, points, last, bias, last bias, slope."""
    convolutions, slopes = _layers(generator)
    kernels, biases = zip(*map(_kernel_and_bias, convolutions), strict=True)
    more, more_outputs = passes.features - len(biases[0]), passes.outputs - len(biases[-1])
    return (
        functional.pad(kernels[0].permute(1, 2, 3, 0).flatten(0, 2), (0, more)),
        _points(torch.stack(kernels[1:-1]), more, more),
        _points(kernels[-1][None], more, more_outputs)[0],
        functional.pad(torch.stack(biases[:-1]), (0, more)),
        functional.pad(biases[-1], (0, more_outputs)),
        functional.pad(torch.stack(list(map(_slope, slopes))), (0, more)),
    )


def _points(kernels: Tensor, more_inputs: int, more_outputs: int) -> Tensor:
    """Transform (layers, outputs, inputs, 3, 3) to (layers, 64, inputs, outputs), with zeros for more of them."""
    taps = kernels.permute(0, 3, 4, 2, 1).flatten(1, 2)
    taps = functional.pad(taps, (0, more_outputs, 0, more_inputs))
    points = torch.bmm(TRANSFORMS.expand(len(taps), -1, -1), taps.flatten(2))
    return points.view(len(taps), -1, *taps.shape[2:])


def _layers(generator: Generator) -> tuple[list[nn.Module], list[nn.Module]]:
    """Return the convolutions of a compact generator, and the slopes that alternate with them."""
    body = list(generator.get_submodule("body").children())
    return body[::2], body[1::2]


def _kernel_and_bias(convolution: nn.Module) -> tuple[Tensor, Tensor]:
    if isinstance(convolution, OverParameterisedConv2d):
        return convolution.kernel(), cast(Tensor, convolution.plain.bias)
    return cast(Tensor, convolution.weight), cast(Tensor, convolution.bias)


def _slope(activation: nn.Module) -> Tensor:
    if isinstance(activation, FixedSlope):
        return torch.full((activation.channels,), USUAL_SLOPE)
    return cast(Tensor, activation.weight)


def _sizes(generator: Generator) -> tuple[int, int, int]:
    convolutions, _ = _layers(generator)
    outputs = [len(_kernel_and_bias(each)[1]) for each in convolutions]
    return outputs[0], len(convolutions) - 2, outputs[-1]


def _memory(*shape: int) -> Tensor:
    """Take memory of any content, aligned for vectors; torch's own error is of no kind that tells what is wrong."""
    try:
        return torch.empty(shape)
    except RuntimeError as fault:
        raise MemoryError(f"no memory for {math.prod(shape)} numbers of a generator's passes") from fault


def _aligned(tensor: Tensor) -> Tensor:
    tensor = tensor.contiguous()
    return tensor if tensor.data_ptr() % ALIGNMENT == 0 else tensor.clone()


def _address(tensor: Tensor) -> int:
    return tensor.data_ptr()


def _addresses(weights: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    """Return what `Weights` of network.hpp is in memory; its last two, for the backward pass only, may be missing."""
    return (ctypes.c_void_p * WEIGHTS)(*map(_address, weights))
