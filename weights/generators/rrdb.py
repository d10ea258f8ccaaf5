"""`rrdb`: ESRGAN's RRDBNet (Wang et al. 2018), for comparison and for foreign weights.

The ×2 form (Real-ESRGAN x2plus) first un-shuffles its input by 2 and then enlarges ×4; keys are those of the public
files. It returns the finished picture, not a residual.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from weights.generators.base import Generator, GeneratorConfig

RESIDUAL_FACTOR = 0.2


@dataclass(frozen=True)
class RrdbConfig(GeneratorConfig):
    """Size of an RRDBNet in its ×2 form."""

    features: int = 64  # Channels of the trunk
    growth: int = 32  # Channels that each convolution of a dense block adds
    blocks: int = 23  # Residual-in-residual blocks


class ResidualDenseBlock(nn.Module):
    """Five 3×3 convolutions, each fed with everything before it; the last one is added with factor 0.2."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(features, growth, 3, padding=1)
        self.conv2 = nn.Conv2d(features + growth, growth, 3, padding=1)
        self.conv3 = nn.Conv2d(features + 2 * growth, growth, 3, padding=1)
        self.conv4 = nn.Conv2d(features + 3 * growth, growth, 3, padding=1)
        self.conv5 = nn.Conv2d(features + 4 * growth, features, 3, padding=1)

    def forward(self, trunk: Tensor) -> Tensor:
        """Map (N, features, H, W) to the same shape."""
        everything = trunk
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            everything = torch.cat((everything, functional.leaky_relu(convolution(everything), 0.2)), dim=1)
        return torch.add(trunk, self.conv5(everything), alpha=RESIDUAL_FACTOR)


class ResidualInResidual(nn.Module):
    """Three dense blocks; what they changed is added with factor 0.2."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = ResidualDenseBlock(features, growth)
        self.rdb2 = ResidualDenseBlock(features, growth)
        self.rdb3 = ResidualDenseBlock(features, growth)

    def forward(self, trunk: Tensor) -> Tensor:
        """Map (N, features, H, W) to the same shape."""
        return torch.add(trunk, self.rdb3(self.rdb2(self.rdb1(trunk))), alpha=RESIDUAL_FACTOR)


class Rrdb(Generator):
    """Un-shuffle ×2, trunk, then twice nearest-neighbour enlargement with a 3×3 convolution after each."""

    architecture = "rrdb"
    config_class: ClassVar[type[GeneratorConfig]] = RrdbConfig
    adds_nearest = False

    def __init__(self, config: RrdbConfig) -> None:
        super().__init__()
        self.config: RrdbConfig = config
        features = config.features
        self.conv_first = nn.Conv2d(3 * self.scale**2, features, 3, padding=1)
        self.body = nn.Sequential(*(ResidualInResidual(features, config.growth) for _ in range(config.blocks)))
        self.conv_body = nn.Conv2d(features, features, 3, padding=1)
        self.conv_up1 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_up2 = nn.Conv2d(features, features, 3, padding=1)
        self.conv_hr = nn.Conv2d(features, features, 3, padding=1)
        self.conv_last = nn.Conv2d(features, 3, 3, padding=1)

    def forward(self, low_res: Tensor) -> Tensor:
        """Map (N, 3, H, W), any size, to the finished picture (N, 3, 2H, 2W)."""
        height, width = low_res.shape[-2:]
        even = functional.pad(low_res, (0, width % self.scale, 0, height % self.scale), mode="replicate")
        head = self.conv_first(functional.pixel_unshuffle(even, self.scale))
        features = head + self.conv_body(self.body(head))
        for convolution in (self.conv_up1, self.conv_up2):
            features = functional.leaky_relu(convolution(functional.interpolate(features, scale_factor=2)), 0.2)
        picture: Tensor = self.conv_last(functional.leaky_relu(self.conv_hr(features), 0.2))
        return picture[..., : height * self.scale, : width * self.scale]

    @property
    def receptive_radius(self) -> int:
        """Trunk pixels are two input pixels wide."""
        trunk_convolutions = 1 + 15 * self.config.blocks + 1
        return self.scale * trunk_convolutions + 6
