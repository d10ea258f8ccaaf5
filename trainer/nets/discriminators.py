"""Discriminators: (N, 3, H, W), 0…1, sides multiples of 8, to a map of logits (N, 1, h, w). The trainer's alone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrizations import spectral_norm

NEGATIVE_SLOPE = 0.1
SIDE_MULTIPLE = 8


class Dilated(nn.Module):
    """Plain convolutions to an eighth of the size, dilated ones there; batch normalisation throughout.

    With 32 channels: 2 504 001 parameters. A position of the map sees 166 × 166 pixels.
    """

    def __init__(self, channels: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        wide = 8 * channels
        self.layers = nn.Sequential(
            *_normalised(3, channels, kernel=5),
            *_normalised(channels, channels),
            nn.MaxPool2d(2),
            *_normalised(channels, 2 * channels),
            *_normalised(2 * channels, 2 * channels),
            nn.MaxPool2d(2),
            *_normalised(2 * channels, 4 * channels),
            *_normalised(4 * channels, 4 * channels),
            nn.MaxPool2d(2),
            *_normalised(4 * channels, wide),
            *_normalised(wide, wide, dilation=2),
            *_normalised(wide, wide, dilation=4),
            *_normalised(wide, wide),  # undilated again: fills the holes that dilation leaves
            *_normalised(wide, 2 * wide, kernel=1),
            nn.Dropout2d(dropout),
            *_normalised(2 * wide, channels, kernel=1),
            nn.Conv2d(channels, 1, kernel_size=1),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, 1, H/8, W/8)."""
        logits: Tensor = self.layers(pictures)
        return logits


class UnetSn(nn.Module):
    """A U-Net with spectral normalisation: a logit per pixel (the layout of Real-ESRGAN's, Wang et al. 2021)."""

    def __init__(self, channels: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        widths = [channels * factor for factor in (1, 2, 4, 8)]
        self.head = nn.Conv2d(3, channels, kernel_size=3, padding=1)
        self.down = nn.ModuleList(_spectral(a, b, 4, 2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_spectral(b, a, 3, 1) for a, b in pairwise(widths))
        self.dropout = nn.Dropout2d(dropout)
        self.refine = nn.Sequential(
            _spectral(channels, channels, 3, 1), _leaky(), _spectral(channels, channels, 3, 1), _leaky()
        )
        self.tail = nn.Conv2d(channels, 1, kernel_size=3, padding=1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, 1, H, W)."""
        features = functional.leaky_relu(self.head(pictures), NEGATIVE_SLOPE)
        skipped = []
        for layer in self.down:
            skipped.append(features)
            features = functional.leaky_relu(layer(features), NEGATIVE_SLOPE)
        features = self.dropout(features)
        for layer in reversed(self.up):
            features = functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
            features = functional.leaky_relu(layer(features), NEGATIVE_SLOPE) + skipped.pop()
        logits: Tensor = self.tail(self.refine(features))
        return logits


class Patch(nn.Module):
    """Four 4×4 convolutions and a last one: a logit per overlapping 70 × 70 pixels (Isola et al. 2017).

    Spectral instead of batch or instance normalisation: these would take each picture's sharpness away, by which a
    generated one is recognised.
    """

    def __init__(self, channels: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, channels, kernel_size=4, stride=2, padding=1), _leaky()]
        for narrow, wide, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
            layers += [_spectral(narrow * channels, wide * channels, 4, stride), _leaky()]
        layers += [nn.Dropout2d(dropout), nn.Conv2d(8 * channels, 1, kernel_size=4, padding=1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (N, 3, H, W) to (N, 1, H/8 − 2, W/8 − 2)."""
        logits: Tensor = self.layers(pictures)
        return logits


DISCRIMINATORS: dict[str, Callable[[int, float], nn.Module]] = {"dilated": Dilated, "unet_sn": UnetSn, "patch": Patch}
USUAL_CHANNELS = {"dilated": 32, "unet_sn": 64, "patch": 64}


def build_discriminator(name: str, channels: int = 0, dropout: float = 0.0) -> nn.Module:
    """Build a discriminator.

    Args:
        name: One of DISCRIMINATORS.
        channels: Width of its first convolutions; 0 for the usual one.
        dropout: Share of channels dropped before the last layers, 0…1.

    Returns:
        The module, in training mode.
    """
    return DISCRIMINATORS[name](channels or USUAL_CHANNELS[name], dropout)


def mixes_pictures(discriminator: nn.Module) -> bool:
    """Return whether a picture's logits depend on the rest of its batch."""
    return any(isinstance(module, _BatchNorm) for module in discriminator.modules())


def shifted(pictures: Tensor, down: int, right: int) -> Tensor:
    """Cut off 8 pixels per axis, `down` and `right` of them at the near sides.

    Shifted by chance, alike for photo and generated picture, the grid of poolings loses its fixed place on the patch.

    Args:
        pictures: (N, C, H, W).
        down: 0…7.
        right: 0…7.

    Returns:
        (N, C, H − 8, W − 8), a view.
    """
    height, width = pictures.shape[2] - SIDE_MULTIPLE, pictures.shape[3] - SIDE_MULTIPLE
    return pictures[:, :, down : down + height, right : right + width]


def _normalised(inputs: int, outputs: int, kernel: int = 3, dilation: int = 1) -> list[nn.Module]:
    padding = dilation * (kernel // 2)
    return [
        nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
        _leaky(),
    ]


def _spectral(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=1, bias=False))


def _leaky() -> nn.Module:
    return nn.LeakyReLU(NEGATIVE_SLOPE, inplace=True)
