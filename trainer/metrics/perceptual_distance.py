"""The perceptual distance of two pictures: LPIPS (Zhang et al. 2018) in its published form without calibration.

That form needs a network's features alone. Each layer counts alike whatever its scale, so it is not the loss that a
generator was trained on (`losses/perceptual.py`), which would be a judge of its own pupil. Knows no files.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainer.nets.feature_networks import FeatureNetwork

# After which layers Zhang et al. look. VGG19 they do not use: the last of each stage, as in VGG16.
TAPS = {
    "squeezenet": ("conv1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9"),
    "vgg16": ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"),
    "vgg19": ("conv1_2", "conv2_2", "conv3_4", "conv4_4", "conv5_4"),
}
_TINY = 1e-10  # keeps a position where nothing is active at zero


def perceptual_distance(network: FeatureNetwork, ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> float:
    """Compare what a network sees in two pictures at full size.

    After the activation of each of the network's `TAPS`, the features of each position are divided by their length;
    the squared differences are summed over channels, averaged over positions and summed over the taps.

    Args:
        network: The network that saw them.
        ours: Its output for one picture: (N, C, h, w) for each of its layers, before activation.
        theirs: The same for the other.

    Returns:
        0 for equal pictures, at most 2 for each tap; lower is better.
    """
    taps, total = TAPS[network.name], 0.0
    for name, mine, other in zip(network.layer_names, ours, theirs, strict=True):
        if name in taps:
            total += float((_directions(mine) - _directions(other)).square_().sum(dim=1).mean())
    return total


def _directions(features: Tensor) -> Tensor:
    active = features.float().relu()
    return active.div_(torch.linalg.vector_norm(active, dim=1, keepdim=True) + _TINY)
