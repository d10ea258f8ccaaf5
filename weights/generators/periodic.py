"""Generators for thin pictures: they get whole periods of the mirrored picture; convolutions and means go round.

The endlessly mirrored picture repeats after twice its width, and so does every feature of it. With circular padding one
period is enough, exactly; the context on both sides would cost many times the picture.
"""

from __future__ import annotations

import copy

from torch import Tensor, nn

from weights.generators.base import Generator
from weights.generators.nafnet import LocalMean


def periodic(generator: Generator) -> Generator:
    """Return a form of a generator that takes each side of its input for whole periods; `generator` stays as it is."""
    return (_Residual if generator.adds_nearest else _Picture)(generator)


class _Residual(Generator):
    """Goes round a period; a side that is shorter than one of them reaches is repeated."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.config = generator.config
        self.inner = copy.deepcopy(generator)
        self.reach = 1
        for module in self.inner.modules():
            if isinstance(module, (nn.Conv2d, LocalMean)):
                module.padding_mode = "circular"
                self.reach = max(self.reach, *(each for each in module.padding if isinstance(each, int)))

    def forward(self, low_res: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, 3, 2H, 2W)."""
        height, width = low_res.shape[2:]
        whole = low_res.repeat(1, 1, -(-self.reach // height), -(-self.reach // width))
        high_res: Tensor = self.inner(whole)
        return high_res[:, :, : self.scale * height, : self.scale * width]


class _Picture(_Residual):
    """The same, of a generator that returns the finished picture."""

    adds_nearest = False
