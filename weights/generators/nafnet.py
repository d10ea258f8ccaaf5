"""`nafnet`: NAFNet's blocks (Chen et al. 2022, "Simple baselines for image restoration"), then one pixel shuffle.

In place of activation functions one half of the channels is multiplied by the other. NAFNet's channel attention takes
the mean of the whole picture, which no tile knows; here it is that of a window, while training too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from weights.errors import InvalidConfig
from weights.generators.base import Generator, GeneratorConfig

MOST_RADIUS = 64  # a file of few weights shall not ask for any amount of memory
_FIRST_FACTOR = 0.1  # of what a block adds; NAFNet's 0 would let nothing else learn in the first step
_LAST_GAIN = 0.1  # a fresh net then starts near the nearest-neighbour enlargement
_EPSILON = 1e-6


@dataclass(frozen=True)
class NafnetConfig(GeneratorConfig):
    """Size of a nafnet generator."""

    features: int = 48  # Channels of the trunk
    blocks: int = 8
    window_radius: int = 8  # Pixels on each side over which channel attention takes its mean


class LayerNorm2d(nn.Module):
    """Normalises each pixel over its channels."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, features, H, W) to the same shape."""
        last = features.permute(0, 2, 3, 1)
        return functional.layer_norm(last, self.weight.shape, self.weight, self.bias, _EPSILON).permute(0, 3, 1, 2)


class LocalMean(nn.Module):
    """The mean of a square window around each pixel; pixels of the edge go on beyond it."""

    def __init__(self, radius: int) -> None:
        super().__init__()
        if radius > MOST_RADIUS:
            raise InvalidConfig(
                f"A window has a radius of {radius} pixels; expected at most {MOST_RADIUS}; correct the configuration."
            )
        self.side = 2 * radius + 1
        self.padding = (radius, radius)
        self.padding_mode = "replicate"

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        padded = functional.pad(features, 2 * self.padding, mode=self.padding_mode)
        across = functional.avg_pool2d(padded, (1, self.side), stride=1)
        return functional.avg_pool2d(across, (self.side, 1), stride=1)


class SimpleGate(nn.Module):
    """One half of the channels times the other."""

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, 2C, H, W) to (N, C, H, W)."""
        one, other = features.chunk(2, dim=1)
        return one * other


class ChannelAttention(nn.Module):
    """Scales the channels of each pixel by a linear map of their means around it."""

    def __init__(self, features: int, radius: int) -> None:
        super().__init__()
        self.mean = LocalMean(radius)
        self.mix = nn.Conv2d(features, features, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, features, H, W) to the same shape."""
        scales: Tensor = self.mix(self.mean(features))
        return features * scales


class Block(nn.Module):
    """A depthwise convolution with channel attention, then a gate per pixel; each is added to its input."""

    def __init__(self, config: NafnetConfig) -> None:
        super().__init__()
        features, doubled = config.features, 2 * config.features
        self.spatial = nn.Sequential(
            LayerNorm2d(features),
            nn.Conv2d(features, doubled, kernel_size=1),
            nn.Conv2d(doubled, doubled, kernel_size=3, padding=1, groups=doubled),
            SimpleGate(),
            ChannelAttention(features, config.window_radius),
            nn.Conv2d(features, features, kernel_size=1),
        )
        self.pointwise = nn.Sequential(
            LayerNorm2d(features),
            nn.Conv2d(features, doubled, kernel_size=1),
            SimpleGate(),
            nn.Conv2d(features, features, kernel_size=1),
        )
        self.spatial_factor = nn.Parameter(torch.full((features,), _FIRST_FACTOR))
        self.pointwise_factor = nn.Parameter(torch.full((features,), _FIRST_FACTOR))

    def forward(self, trunk: Tensor) -> Tensor:
        """Map (N, features, H, W) to the same shape."""
        trunk = torch.addcmul(trunk, self.spatial_factor[:, None, None], self.spatial(trunk))
        return torch.addcmul(trunk, self.pointwise_factor[:, None, None], self.pointwise(trunk))


class Nafnet(Generator):
    """3×3 head, blocks at the low resolution, 3×3 tail, pixel shuffle."""

    architecture = "nafnet"
    config_class: ClassVar[type[GeneratorConfig]] = NafnetConfig

    def __init__(self, config: NafnetConfig) -> None:
        super().__init__()
        self.config: NafnetConfig = config
        self.head = nn.Conv2d(3, config.features, kernel_size=3, padding=1)
        self.trunk = nn.Sequential(*(Block(config) for _ in range(config.blocks)))
        self.tail = nn.Conv2d(config.features, 3 * self.scale**2, kernel_size=3, padding=1)
        with torch.no_grad():
            self.tail.weight.mul_(_LAST_GAIN)

    def forward(self, low_res: Tensor) -> Tensor:
        """Map (N, 3, H, W) to the residual (N, 3, 2H, 2W)."""
        features = low_res
        for part in (self.head, self.trunk, self.tail):
            features = part(features)
        return functional.pixel_shuffle(features, self.scale)

    @property
    def receptive_radius(self) -> int:
        """One pixel for each 3×3 convolution, and the windows."""
        return 2 + self.config.blocks * (1 + self.config.window_radius)
