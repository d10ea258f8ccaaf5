"""A generator as a plain list of layers; only `compact` has such a form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from weights import Generator


class WinogradFault(Exception):
    """A generator cannot be run by Winograd's filtering here; `str()` is a clause that says why."""


@dataclass(frozen=True)
class Convolution:
    """3×3, one pixel of zeros around: weight (outputs, inputs, 3, 3), bias (outputs,); float32."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True)
class Slope:
    """PReLU: the factor below zero of each channel, (channels,), float32."""

    slope: NDArray[np.float32]


Layer = Convolution | Slope


def layers_of(generator: Generator) -> list[Layer]:
    """List a generator's layers up to the pixel shuffle.

    Args:
        generator: float32, on the CPU.

    Returns:
        The layers in the order in which they run; a pixel shuffle and the sum with the nearest-neighbour enlargement
        follow.

    Raises:
        WinogradFault: the architecture is another one than `compact`.
    """
    if generator.architecture != "compact":
        raise WinogradFault(f"{generator.architecture} is no list of such layers")
    found: list[Layer] = []
    for module in generator.get_submodule("body").children():
        if isinstance(module, nn.Conv2d):
            bias = module.bias
            if bias is None or module.kernel_size != (3, 3) or module.padding != (1, 1):
                raise WinogradFault("this compact generator has convolutions of another kind")
            found.append(Convolution(module.weight.detach().numpy(), bias.detach().numpy()))
        elif isinstance(module, nn.PReLU):
            found.append(Slope(module.weight.detach().numpy()))
        else:
            raise WinogradFault(f"this compact generator has a {type(module).__name__}")
    return found
