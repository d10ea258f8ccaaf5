"""Over-parameterised convolutions: more weights to train, the same plain 3×3 convolution to run.

A sum and product of linear maps is one linear map, so the branches (a 3×3, a widened 3×3 followed by a 1×1, a 1×1,
the identity) are multiplied out to one kernel *before* the pictures pass: training costs what the plain
convolution costs, and only the path of the optimizer differs. After Collapsible Linear Blocks (Bhardwaj et al. 2022,
SESR) and Edge-oriented Convolution Blocks (Zhang et al. 2021).
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from weights import Generator

_PLAIN = ((3, 3), (1, 1), 1)  # kernel, dilation and groups of convolutions that are over-parameterised
USUAL_SLOPE = 0.1  # of PReLU and LeakyReLU in all generators


class OverParameterisedConv2d(nn.Module):
    """A 3×3 convolution whose kernel is made of parallel linear branches.

    Attributes:
        plain: The convolution that it replaces; its kernel is one of the branches.
        wide: (expansion · outputs, inputs, 3, 3), the first half of the widened branch.
        project: (outputs, expansion · outputs), its second half.
        point: (outputs, inputs), the 1×1 branch.

    Args:
        plain: The convolution to replace, 3×3.
        expansion: Width of the widened branch as a multiple of the outputs.
    """

    def __init__(self, plain: nn.Conv2d, expansion: int) -> None:
        super().__init__()
        outputs, inputs = plain.out_channels, plain.in_channels
        self.plain = plain
        self.wide = nn.Parameter(torch.empty(expansion * outputs, inputs, 3, 3))
        self.project = nn.Parameter(torch.empty(outputs, expansion * outputs))
        self.point = nn.Parameter(torch.zeros(outputs, inputs))
        nn.init.kaiming_uniform_(self.wide, a=5**0.5)
        nn.init.normal_(self.project, std=0.1 / (expansion * outputs) ** 0.5)

    def kernel(self) -> Tensor:
        """Return the plain 3×3 kernel that equals all branches together: (outputs, inputs, 3, 3)."""
        wide = torch.einsum("op,pihw->oihw", self.project, self.wide)
        point = functional.pad(self.point[:, :, None, None], (1, 1, 1, 1))
        return self.plain.weight + wide + point

    def forward(self, features: Tensor) -> Tensor:
        """Convolve (N, inputs, H, W) to (N, outputs, H, W)."""
        return functional.conv2d(features, self.kernel(), self.plain.bias, padding=1)


class FixedSlope(nn.Module):
    """LeakyReLU in place of a PReLU while training: it runs in place and its backward pass is a third of the cost."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape, in place."""
        return functional.leaky_relu_(features, USUAL_SLOPE)


def over_parameterise(generator: Generator, expansion: int, *, fixed_slopes: bool = False) -> Generator:
    """Make a copy for training: 3×3 convolutions over-parameterised, PReLU slopes fixed unless they were learned.

    Args:
        generator: Stays as it is.
        expansion: Width of the inner branch as a multiple of the outputs; 0 returns a plain copy.
        fixed_slopes: Whether a plain copy has its slopes fixed too.

    Returns:
        A generator that starts at about the same function.
    """
    if expansion == 0:
        copied = with_fixed_slopes(generator) if fixed_slopes else copy.deepcopy(generator)
        return copied.requires_grad_(True)

    def widened(module: nn.Module) -> nn.Module | None:
        fits = isinstance(module, nn.Conv2d) and (module.kernel_size, module.dilation, module.groups) == _PLAIN
        return OverParameterisedConv2d(module, expansion) if fits else None  # type: ignore[arg-type]

    return _with_replaced(with_fixed_slopes(generator), widened).requires_grad_(True)


def with_fixed_slopes(generator: Generator) -> Generator:
    """Make a copy for training on: PReLU slopes fixed if they are all still where they began.

    Args:
        generator: Stays as it is.

    Returns:
        A copy that computes the same, faster where the slopes are fixed; `reparameterise` makes it plain again.
    """
    slopes = [module.weight for module in generator.modules() if isinstance(module, nn.PReLU)]
    if not all(bool((slope == USUAL_SLOPE).all()) for slope in slopes):
        return copy.deepcopy(generator)
    return _with_replaced(
        generator, lambda module: FixedSlope(module.num_parameters) if isinstance(module, nn.PReLU) else None
    )


def reparameterise(trained: Generator) -> Generator:
    """Multiply all branches out: the inverse of `over_parameterise`, for validation and export.

    Args:
        trained: Stays as it is.

    Returns:
        A plain generator, float32, evaluation mode, that computes the same to about 1e-6.
    """
    return _with_replaced(trained, _plain_module).eval()


def _with_replaced(generator: Generator, replacement: Callable[[nn.Module], nn.Module | None]) -> Generator:
    """Copy a generator and replace the modules for which there is a replacement; what is replaced is not entered."""
    copied = copy.deepcopy(generator)
    for module in list(copied.modules()):
        for name, child in list(module.named_children()):
            other = replacement(child)
            if other is not None:
                module._modules[name] = other
    return copied


def _plain_module(module: nn.Module) -> nn.Module | None:
    if isinstance(module, OverParameterisedConv2d):
        with torch.no_grad():
            module.plain.weight.copy_(module.kernel())
        return module.plain
    if isinstance(module, FixedSlope):
        return nn.PReLU(module.channels, init=USUAL_SLOPE)
    return None
