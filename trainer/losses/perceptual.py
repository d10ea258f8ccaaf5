"""The perceptual loss: how far apart two pictures are in the features of a fixed network, at full and at half size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainer.errors import PerceptualError
from trainer.nets.feature_networks import FeatureNetwork
from trainer.srgb import linear_to_srgb, srgb_to_linear


class PerceptualLoss(nn.Module):
    """A weighted sum over the network's layers, at full size and, halved in linear light, at half size.

    Args:
        network: The fixed network.
        layer_weights: Weight by layer name; None weighs all layers alike.
        squared: Whether features are compared by their mean squared difference instead of the mean absolute one.
        half_size_weight: Weight of the comparison at half size; 0 leaves it out.

    Raises:
        PerceptualError: A layer that the network does not have.
    """

    def __init__(
        self,
        network: FeatureNetwork,
        layer_weights: Mapping[str, float] | None = None,
        *,
        squared: bool = False,
        half_size_weight: float = 1.0,
    ) -> None:
        super().__init__()
        layer_weights = layer_weights or dict.fromkeys(network.layer_names, 1.0)
        foreign = sorted(set(layer_weights) - set(network.layer_names))
        if foreign:
            raise PerceptualError(
                f"the feature network has no layer {', '.join(foreign)}; expected some of "
                f"{', '.join(network.layer_names)}; correct --perceptual-layers"
            )
        self.network = network
        self.weights = {name: weight for name, weight in layer_weights.items() if weight}
        self.squared = squared
        self.half_size_weight = half_size_weight

    def forward(self, generated: Tensor, high_res: Tensor) -> Tensor:
        """Compare two batches.

        Args:
            generated: (N, 3, H, W), RGB, about 0…1; gradients flow into it.
            high_res: The same shape.

        Returns:
            One number: 0 for equal pictures.
        """
        distance = self._seen_apart(generated, high_res)
        if self.half_size_weight:
            halves = (halved_in_linear_light(side) for side in (generated, high_res))
            distance = distance + self.half_size_weight * self._seen_apart(*halves)
        return distance

    def _seen_apart(self, generated: Tensor, high_res: Tensor) -> Tensor:
        ours = self.network(generated)
        with torch.no_grad():
            theirs = self.network(high_res)
        return self.apart(ours, theirs)

    def apart(self, ours: Sequence[Tensor], theirs: Sequence[Tensor]) -> Tensor:
        """Compare features of one size.

        Args:
            ours: What the network makes of one batch.
            theirs: The same of the other.

        Returns:
            One number.
        """
        total = ours[0].new_zeros(())
        for name, mine, other in zip(self.network.layer_names, ours, theirs, strict=True):
            weight = self.weights.get(name)
            if weight:
                difference = mine.float() - other.float()
                total = total + weight * (difference.square() if self.squared else difference.abs()).mean()
        return total


def halved_in_linear_light(pictures: Tensor) -> Tensor:
    """Average 2 × 2 pixels in linear light.

    Args:
        pictures: (N, C, H, W), sRGB as displayed, 0…1; values beyond are clipped, with no gradient there.

    Returns:
        (N, C, H // 2, W // 2), as displayed.
    """
    return linear_to_srgb(functional.avg_pool2d(srgb_to_linear(pictures.float().clamp(0, 1)), 2))
