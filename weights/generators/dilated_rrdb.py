"""`dilated_rrdb`: residual-dense blocks alternating with dilated ones; the default on a GPU.

With the default configuration it has exactly 16 293 763 parameters. The residual-in-residual design and its factor
0.2 are ESRGAN's (Wang et al. 2018); the dilated blocks widen what a pixel sees without more weights. Two options: the
whole trunk applied several times; squeeze-and-excitation (Hu et al. 2018) of the dense blocks, with means of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from weights.errors import InvalidConfig
from weights.generators.base import Generator, GeneratorConfig
from weights.generators.nafnet import LocalMean

RESIDUAL_FACTOR = 0.2
NEGATIVE_SLOPE = 0.1
DILATIONS = (1, 2, 4)
DENSE_CONVOLUTIONS = 3
MOST_REPEATS = 16  # a file of few weights shall not ask for any amount of work
SQUEEZE = 4  # how many times fewer channels decide on the scales


@dataclass(frozen=True)
class DilatedRrdbConfig(GeneratorConfig):
    """Size of a dilated residual-dense generator."""

    features: int = 64  # Channels of the trunk
    growth: int = 64  # Channels that each convolution of a dense block adds
    blocks: int = 16  # Outer residual blocks
    pairs: int = 3  # (Dilated block, dense block) pairs in each outer block
    repeats: int = 1  # How often the outer blocks are gone through, with the same weights
    squeeze_radius: int = 0  # Pixels on each side over which dense blocks weigh their channels; 0: they do not
    may_be_zero: ClassVar[tuple[str, ...]] = ("squeeze_radius",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.repeats > MOST_REPEATS:
            raise InvalidConfig(
                f"DilatedRrdbConfig: repeats is {self.repeats}; expected at most {MOST_REPEATS}; correct the "
                "configuration."
            )


class DilatedBlock(nn.Module):
    """3×3 convolutions with dilations 1, 2, 4, then 1×1; added to the input with factor 0.2."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(features, features, kernel_size=3, padding=dilation, dilation=dilation) for dilation in DILATIONS
        )
        self.fuse = nn.Conv2d(features, features, kernel_size=1)
        self.activation = nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)

    def forward(self, trunk: Tensor) -> Tensor:
        """Map (N, features, H, W) to the same shape."""
        features = trunk
        for convolution in self.convolutions:
            features = self.activation(convolution(features))
        return torch.add(trunk, self.fuse(features), alpha=RESIDUAL_FACTOR)


class Excitation(nn.Module):
    """Scales the channels of each pixel by 0…1, as their means around it decide."""

    def __init__(self, features: int, radius: int) -> None:
        super().__init__()
        narrow = max(1, features // SQUEEZE)
        self.mean = LocalMean(radius)
        self.squeeze = nn.Conv2d(features, narrow, kernel_size=1)
        self.excite = nn.Conv2d(narrow, features, kernel_size=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, features, H, W) to the same shape."""
        scales: Tensor = self.excite(self.squeeze(self.mean(features)).relu()).sigmoid()
        return features * scales


class DenseBlock(nn.Module):
    """Three 3×3 convolutions, each fed with everything before it; the last one's output is added with factor 0.2."""

    def __init__(self, features: int, growth: int, squeeze_radius: int = 0) -> None:
        super().__init__()
        self.excitation = Excitation(features, squeeze_radius) if squeeze_radius else None
        outputs = [growth] * (DENSE_CONVOLUTIONS - 1) + [features]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(features + index * growth, count, kernel_size=3, padding=1) for index, count in enumerate(outputs)
        )
        self.activation = nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)

    def forward(self, trunk: Tensor) -> Tensor:
        """Map (N, features, H, W) to the same shape."""
        everything = trunk
        for convolution in list(self.convolutions)[:-1]:
            everything = torch.cat((everything, self.activation(convolution(everything))), dim=1)
        added = self.convolutions[-1](everything)
        return torch.add(trunk, added if self.excitation is None else self.excitation(added), alpha=RESIDUAL_FACTOR)


class OuterBlock(nn.Module):
    """Pairs of dilated and dense blocks; what they changed is added to the input with factor 0.2."""

    def __init__(self, config: DilatedRrdbConfig) -> None:
        super().__init__()
        pairs: list[nn.Module] = []
        for _ in range(config.pairs):
            pairs += [DilatedBlock(config.features), DenseBlock(config.features, config.growth, config.squeeze_radius)]
        self.pairs = nn.Sequential(*pairs)

    def forward(self, trunk: Tensor) -> Tensor:
        """Map (N, features, H, W) to the same shape."""
        return torch.add(trunk, self.pairs(trunk), alpha=RESIDUAL_FACTOR)


class DilatedRrdb(Generator):
    """5×5 head, outer blocks, then a tail that shuffles pixels ×2 and refines at the high resolution."""

    architecture = "dilated_rrdb"
    config_class: ClassVar[type[GeneratorConfig]] = DilatedRrdbConfig

    def __init__(self, config: DilatedRrdbConfig) -> None:
        super().__init__()
        self.config: DilatedRrdbConfig = config
        features = config.features
        self.head = nn.Conv2d(3, features, kernel_size=5, padding=2)
        self.trunk = nn.Sequential(*(OuterBlock(config) for _ in range(config.blocks)))
        self.tail = nn.Sequential(
            nn.Conv2d(features, 2 * features, kernel_size=3, padding=1),
            nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
            nn.Conv2d(2 * features, features * self.scale**2, kernel_size=1),
            nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
            nn.PixelShuffle(self.scale),
            nn.Conv2d(features, features, kernel_size=3, padding=1),
            nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True),
            nn.Conv2d(features, 3, kernel_size=3, padding=1),
        )

    def forward(self, low_res: Tensor) -> Tensor:
        """Map (N, 3, H, W) to the residual (N, 3, 2H, 2W)."""
        features = self.head(low_res)
        for _ in range(self.config.repeats):
            features = self.trunk(features)
        residual: Tensor = self.tail(features)
        return residual

    @property
    def receptive_radius(self) -> int:
        """About 490 px by default: too far for an exact halo, so the halo is measured at export."""
        per_pair = sum(DILATIONS) + DENSE_CONVOLUTIONS + self.config.squeeze_radius
        head, tail = 2, 2  # the two 3×3 convolutions after the shuffle reach one input pixel together
        return head + self.config.repeats * self.config.blocks * self.config.pairs * per_pair + tail
