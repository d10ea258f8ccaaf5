"""A deeper or wider generator that computes the same as the one it is made from, until it is trained.

A new convolution begins as the identity. The slopes before it are split into two factors, so that both activations
bend from the start and the two together are the old one. New features begin at random, and no old feature reads them
yet. After Chen et al. 2016, "Net2Net: accelerating learning via knowledge transfer"; the split slopes and the features
that nothing reads are this project's.
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


def grow(generator: Generator, config: CompactConfig) -> Compact:
    """Make a compact generator as deep and as wide as a configuration, where it is less.

    Args:
        generator: A `compact` one with learned slopes; stays as it is.
        config: What is wanted; the copy has at least the layers and features of the generator.

    Returns:
        A copy that computes the same but for rounding, in evaluation mode.

    Raises:
        ConfigError: The generator is no `compact` one.
    """
    old = generator.config
    return widen(deepen(generator, max(getattr(old, "layers", 0), config.layers)), config.features)


@torch.no_grad()
def widen(generator: Compact, features: int) -> Compact:
    """Add features to every layer of a compact generator.

    Args:
        generator: One with learned slopes; stays as it is.
        features: How many the copy has; it has the generator's where that has more.

    Returns:
        A copy that computes the same but for rounding, in evaluation mode.
    """
    before = generator.config.features
    wider = build_generator(
        Compact.architecture, vars(dataclasses.replace(generator.config, features=max(before, features)))
    )
    assert isinstance(wider, Compact)
    for old, new in zip(generator.body, wider.body, strict=True):
        if isinstance(old, nn.PReLU):
            new.get_parameter("weight")[:before] = old.weight
        else:
            _put_in(new.get_parameter("weight"), old.get_parameter("weight"))
            new.get_parameter("bias")[: old.get_parameter("bias").numel()] = old.get_parameter("bias")
    return wider.eval()


def _put_in(weight: Tensor, old: Tensor) -> None:
    """Put a convolution's old weights (outputs, inputs, 3, 3) into a larger one's; old outputs read nothing else."""
    outputs, inputs = old.shape[:2]
    weight[:outputs] = 0
    weight[:outputs, :inputs] = old


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
