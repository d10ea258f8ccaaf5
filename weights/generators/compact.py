"""`compact`: plain 3×3 convolutions, PReLU, one pixel shuffle; the default without a GPU.

The layout and key names are those of SRVGGNetCompact (Real-ESRGAN's small net), so that the files load in spandrel,
chaiNNer and ComfyUI as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from weights.generators.base import Generator, GeneratorConfig

_SLOPE = 0.1
_LAST_GAIN = 0.1  # a fresh net then starts near the nearest-neighbour enlargement


@dataclass(frozen=True)
class CompactConfig(GeneratorConfig):
    """Size of a compact generator."""

    features: int = 48  # Channels between the convolutions
    layers: int = 8  # Convolutions between the first and the last


class Compact(Generator):
    """3×3 convolutions at the low resolution, each with a learned slope per channel, then a pixel shuffle."""

    architecture = "compact"
    config_class: ClassVar[type[GeneratorConfig]] = CompactConfig

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config: CompactConfig = config
        layers: list[nn.Module] = [_convolution(3, config.features), nn.PReLU(config.features, init=_SLOPE)]
        for _ in range(config.layers):
            layers += [_convolution(config.features, config.features), nn.PReLU(config.features, init=_SLOPE)]
        layers.append(_convolution(config.features, 3 * self.scale**2, gain=_LAST_GAIN))
        self.body = nn.ModuleList(layers)

    def forward(self, low_res: Tensor) -> Tensor:
        """Map (N, 3, H, W) to the residual (N, 3, 2H, 2W)."""
        features = low_res
        for layer in self.body:
            features = layer(features)
        return functional.pixel_shuffle(features, self.scale)

    @property
    def receptive_radius(self) -> int:
        """One pixel per 3×3 convolution."""
        return self.config.layers + 2


def _convolution(inputs: int, outputs: int, gain: float = 1.0) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)
    nn.init.kaiming_normal_(convolution.weight, a=_SLOPE)
    nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    with torch.no_grad():
        convolution.weight.mul_(gain)
    return convolution
