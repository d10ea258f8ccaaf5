"""A deeper generator that computes the same: layers put in that change nothing until they are trained.

A new convolution begins as the identity. The slopes before it are split into two factors, so that both activations
bend from the start and the two together are the old one. After Chen et al. 2016, "Net2Net: accelerating learning via
knowledge transfer"; the split slopes are this project's.
"""

from __future__ import annotations

import copy
import dataclasses
from itertools import pairwise

import torch
from torch import Tensor, nn

from trainer.errors import ConfigError
from weights import Generator, build_generator
from weights.generators.compact import Compact, CompactConfig

_LEAST_FACTOR = 1e-3  # of a slope, so that the other factor stays small where the slope is 0


@torch.no_grad()
def deepen(generator: Generator, layers: int) -> Compact:
    """Put layers into a compact generator, at even distances.

    Args:
        generator: A `compact` one with learned slopes; stays as it is.
        layers: How many convolutions the copy has between its first and its last; at least as many as before.

    Returns:
        A copy that computes the same but for rounding, in evaluation mode.

    Raises:
        ConfigError: The generator is no `compact` one, or has more layers already.
    """
    if not isinstance(generator, Compact) or generator.config.layers > layers:
        raise ConfigError(
            f"A {generator.architecture} with {generator.config} cannot be deepened to {layers} layers; expected a "
            f"compact one with at most {layers}; choose more layers or another file."
        )
    config: CompactConfig = dataclasses.replace(generator.config, layers=layers)
    deeper = build_generator(Compact.architecture, vars(config))
    assert isinstance(deeper, Compact)
    stages: list[nn.Module] = []
    for place, (convolution, activation) in enumerate(_stages(generator)):
        stages.append(copy.deepcopy(convolution))
        slopes = _split(activation.weight, 1 + _added_after(place, generator.config.layers, layers))
        for number, slope in enumerate(slopes):
            stages += [_identity(config.features)] if number else []
            bend = nn.PReLU(config.features)
            bend.weight.copy_(slope)
            stages.append(bend)
    deeper.body = nn.ModuleList([*stages, copy.deepcopy(generator.body[-1])])
    return deeper.eval()


def _stages(generator: Compact) -> list[tuple[nn.Module, nn.PReLU]]:
    """List all convolutions but the last, each with its activation."""
    return [(one, two) for one, two in pairwise(generator.body) if isinstance(two, nn.PReLU)]


def _added_after(place: int, before: int, after: int) -> int:
    """Return how many layers are inserted after stage `place` of those from 0 to `before`."""
    added = after - before
    return sum(round(before * (number + 1) / (added + 1)) == place for number in range(added))


def _split(slope: Tensor, factors: int) -> list[Tensor]:
    """Split slopes into factors of one size; the sign goes with the last, the others keep signs as they are."""
    root = slope.abs().pow(1 / factors).clamp_min(_LEAST_FACTOR)
    return [root] * (factors - 1) + [slope / root ** (factors - 1)]


def _identity(features: int) -> nn.Conv2d:
    convolution = nn.Conv2d(features, features, kernel_size=3, padding=1)
    nn.init.dirac_(convolution.weight)
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return convolution
