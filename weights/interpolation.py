"""Network interpolation (Wang et al. 2018, ESRGAN): a pair of parameter sets, one slider between them."""

from __future__ import annotations

import copy

import torch

from weights.errors import InvalidConfig
from weights.generators.base import Generator


def interpolate(faithful: Generator, detailed: Generator, detail: float) -> Generator:
    """Blend two generators of the same configuration.

    Args:
        faithful: The generator at `detail` 0.
        detailed: The generator at `detail` 1.
        detail: 0…1.

    Returns:
        A new generator, float32, in evaluation mode; neither input is changed.

    Raises:
        InvalidConfig: The two differ in architecture, configuration or tensors, or `detail` lies outside 0…1.
    """
    if faithful.architecture != detailed.architecture or faithful.config != detailed.config:
        raise InvalidConfig(
            f"The pair has {faithful.architecture} {faithful.config} and {detailed.architecture} {detailed.config}; "
            "expected the same configuration twice; train the detailed file from the faithful one."
        )
    if not 0.0 <= detail <= 1.0:
        raise InvalidConfig(f"detail is {detail}; expected 0…1; choose a value in that range.")
    blended = copy.deepcopy(faithful).float()
    ours, theirs = blended.state_dict(), detailed.state_dict()
    if {name: each.shape for name, each in ours.items()} != {name: each.shape for name, each in theirs.items()}:
        raise InvalidConfig(
            f"The pair has {faithful.architecture} with different tensors; expected the same names and shapes twice; "
            "choose files of which one was trained from the other."
        )
    with torch.no_grad():
        for name, mixed in ours.items():
            if mixed.is_floating_point():
                mixed.lerp_(theirs[name].float(), detail)
    return blended.eval()
