"""`espcn`: three convolutions and a pixel shuffle (Shi et al. 2016), LeakyReLU in place of tanh; a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from weights.generators.base import Generator, GeneratorConfig


@dataclass(frozen=True)
class EspcnConfig(GeneratorConfig):
    """Size of an ESPCN."""

    features: int = 64  # Channels after the 5×5 convolution
    narrow_features: int = 32  # Channels after the first 3×3 convolution


class Espcn(Generator):
    """5×5, 3×3, 3×3, pixel shuffle."""

    architecture = "espcn"
    config_class: ClassVar[type[GeneratorConfig]] = EspcnConfig

    def __init__(self, config: EspcnConfig) -> None:
        super().__init__()
        self.config: EspcnConfig = config
        self.head = nn.Conv2d(3, config.features, kernel_size=5, padding=2)
        self.middle = nn.Conv2d(config.features, config.narrow_features, kernel_size=3, padding=1)
        self.tail = nn.Conv2d(config.narrow_features, 3 * self.scale**2, kernel_size=3, padding=1)
        self.activation = nn.LeakyReLU(0.1)

    def forward(self, low_res: Tensor) -> Tensor:
        """Map (N, 3, H, W) to the residual (N, 3, 2H, 2W)."""
        features = self.activation(self.head(low_res))
        features = self.activation(self.middle(features))
        return functional.pixel_shuffle(self.tail(features), self.scale)

    @property
    def receptive_radius(self) -> int:
        """Two pixels for the 5×5, one for each 3×3 convolution."""
        return 4
