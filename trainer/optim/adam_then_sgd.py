"""Adam, and from some step on gradient descent with momentum, at the rate at which it moves as far.

Adam is quick at first; plain descent often ends a little lower. The rate is taken from Adam's last moves: so large that
descent's part along them is as long as they were. After Keskar and Socher 2017, "Improving generalization performance
by switching from Adam to SGD"; here all kernels share one rate, and the step of the switch is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

MEASURED_STEPS = 100  # before the switch


class AdamThenSgd(torch.optim.Adam):
    """Adam until a step, then descent with momentum.

    Args:
        parameters: Parameters or groups of them.
        lr: Adam's rate; after the switch it goes on as the unit of the rate.
        sgd_after: Steps of Adam.
        momentum: Share of the gradients' running mean that is kept at each step after the switch.
    """

    def __init__(
        self, parameters: Iterable[nn.Parameter] | list[dict[str, Any]], lr: float, sgd_after: int, momentum: float
    ) -> None:
        super().__init__(parameters, lr=lr)
        self.sgd_after, self.momentum = sgd_after, momentum
        # in a group, because a checkpoint keeps those: steps done, and sums over Adam's moves per unit of rate
        self.param_groups[0].update(steps=0, squares=0.0, descents=0.0)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Make one step.

        Args:
            closure: Not supported.

        Raises:
            ValueError: There is a closure.
        """
        if closure is not None:
            raise ValueError("AdamThenSgd came with a closure, expected none; compute the gradients before the step.")
        counts = self.param_groups[0]
        if counts["steps"] >= self.sgd_after:
            self._descend(counts["squares"] / max(counts["descents"], 1e-30))
        elif counts["steps"] >= self.sgd_after - MEASURED_STEPS:
            before = [[each.clone() for each in group["params"]] for group in self.param_groups]
            super().step()
            self._measure(before)
        else:
            super().step()
        counts["steps"] += 1

    def _measure(self, before: list[list[Tensor]]) -> None:
        """Add the squared lengths of Adam's moves, and how far they went down the gradient."""
        counts = self.param_groups[0]
        for group, old in zip(self.param_groups, before, strict=True):
            for parameter, was in zip(group["params"], old, strict=True):
                if parameter.grad is not None and group["lr"]:
                    move = (was - parameter) / group["lr"]
                    counts["squares"] += float(move.square().sum())
                    counts["descents"] += float((move * parameter.grad).sum())

    def _descend(self, rate: float) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    # the first moment of Adam has the momentum of before the switch
                    mean = self.state[parameter]["exp_avg"].lerp_(parameter.grad, 1 - self.momentum)
                    parameter.sub_(mean, alpha=rate * group["lr"])
