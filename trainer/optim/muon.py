"""Muon: momentum whose direction is made orthogonal, for kernels; Adam for what has no matrix in it.

A gradient's few strong directions drown the weak ones; with all singular values near 1 every direction is learned
alike. For the compact generator 400 steps reach what Adam reaches in 800. After Jordan et al. 2024, "Muon: an
optimizer for hidden layers in neural networks". torch has one since 2.9, for matrices only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

# of a quintic that drives singular values in (0, 1] to 0.7…1.2 within five rounds, steepest at 0 (Jordan et al.)
_LINEAR, _CUBIC, _QUINTIC = 3.4445, -4.7750, 2.0315
_ROUNDS = 5
_ADAM_SHARE = 0.1  # of the rate, for biases and slopes
_ADAM_DECAYS = (0.9, 0.99)
_SMALL = 1e-8


class Muon(torch.optim.Optimizer):
    """Moves each kernel, taken as (outputs, inputs · height · width), by its orthogonalised momentum.

    Args:
        parameters: Kernels of two dimensions or more by Muon, all others by Adam at a tenth of the rate.
        lr: Rate: about the spectral norm of a kernel's move.
        momentum: Share of the running mean of gradients that is kept at each step.
        weight_decay: Share of a kernel that is lost at each step, per unit of rate. Orthogonal moves add up: without
            it kernels grow for as long as they are trained, and cancel each other on photos, though not on much else.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take a checkpoint's state, which may be from before there was weight decay."""
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("weight_decay", 0.0)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Make one step.

        Args:
            closure: Not supported.

        Raises:
            ValueError: There is a closure.
        """
        if closure is not None:
            raise ValueError("Muon came with a closure, expected none; compute the gradients before the step.")
        for group in self.param_groups:
            alike: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if parameter.ndim >= 2:
                    alike.setdefault(parameter.shape, []).append((parameter, parameter.grad))
                else:
                    self._by_adam(parameter, parameter.grad, group["lr"])
            for pairs in alike.values():
                self._by_muon(pairs, group["lr"], group["momentum"], group["weight_decay"])

    def _by_muon(self, pairs: list[tuple[Tensor, Tensor]], rate: float, momentum: float, decay: float) -> None:
        """Move kernels of one shape, given with their gradients; each alone is too small to keep a processor busy."""
        parameters, gradients = ([pair[side] for pair in pairs] for side in (0, 1))
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["mean"] = torch.zeros_like(parameter)
        means = [self.state[parameter]["mean"] for parameter in parameters]
        torch._foreach_lerp_(means, gradients, 1 - momentum)
        ahead = torch._foreach_lerp(gradients, means, momentum)  # Nesterov's
        directions = orthogonalised(torch.stack([each.reshape(len(each), -1) for each in ahead]))
        outputs, inputs = directions.shape[1:]
        # a tall matrix moves its outputs less than a wide one for the same norm
        factor = -rate * max(1.0, outputs / inputs) ** 0.5
        torch._foreach_mul_(parameters, 1 - rate * decay)
        for parameter, direction in zip(parameters, directions, strict=True):
            parameter.add_(direction.reshape(parameter.shape), alpha=factor)

    def _by_adam(self, parameter: Tensor, gradient: Tensor, rate: float) -> None:
        state = self.state[parameter]
        if not state:
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["step"] = torch.zeros(())
        state["step"] += 1
        first, second = _ADAM_DECAYS
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].lerp_(gradient.square(), 1 - second)
        mean = state["mean"] / (1 - first ** state["step"])
        spread = (state["square"] / (1 - second ** state["step"])).sqrt_().add_(_SMALL)
        parameter.addcdiv_(mean, spread, value=-rate * _ADAM_SHARE)


def orthogonalised(matrices: Tensor) -> Tensor:
    """Bring all singular values of matrices near 1 and keep their singular vectors, by Newton and Schulz's iteration.

    Each round multiplies a matrix X by a polynomial of X·Xᵀ. All of them commute, so the rounds are made on the small
    square X·Xᵀ alone and their product meets the long matrix once, in the end.

    Args:
        matrices: (…, rows, columns), float32.

    Returns:
        The same shape; singular values 0.7…1.2 where they were not tiny beside the matrix's norm.
    """
    rows, columns = matrices.shape[-2:]
    wide: Tensor = matrices.mT if rows > columns else matrices
    wide = wide / (wide.norm(dim=(-2, -1), keepdim=True) + _SMALL)
    square = wide @ wide.mT
    factor = _polynomial(square)
    product = factor
    for _ in range(_ROUNDS - 1):
        square = factor @ square @ factor
        factor = _polynomial(square)
        product = factor @ product
    result = product @ wide
    return result.mT if rows > columns else result


def _polynomial(square: Tensor) -> Tensor:
    result = _CUBIC * square + _QUINTIC * square @ square
    result.diagonal(dim1=-2, dim2=-1).add_(_LINEAR)
    return result
