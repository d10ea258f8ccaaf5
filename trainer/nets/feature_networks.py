"""The convolutional parts of VGG16, VGG19 and SqueezeNet 1.1, tapped before each activation. Knows no losses, no files.

Tensor names are torchvision's (`features.N.weight`), so that its published weights fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

_VGG_STAGES = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
SMALLEST_SIDE = 32  # pixels; with less, the last pooling has nothing left
_VGG_WIDTHS = (64, 128, 256, 512, 512)
_FIRES = {3: (64, 16, 64), 4: (128, 16, 64), 6: (128, 32, 128), 7: (256, 32, 128)} | {
    9: (256, 48, 192),
    10: (384, 48, 192),
    11: (384, 64, 256),
    12: (512, 64, 256),
}


@dataclass(frozen=True)
class Normalisation:
    """What a network's weights expect as input."""

    reverse: bool  # Whether channels come as blue, green, red
    factor: float  # What values 0…1 are multiplied by
    mean: tuple[float, float, float]  # Subtracted after that, one value per channel in the network's order
    deviation: tuple[float, float, float]  # Divided by after that


IMAGENET = Normalisation(False, 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CAFFE = Normalisation(True, 255.0, (103.939, 116.779, 123.68), (1.0, 1.0, 1.0))


class FeatureNetwork(nn.Module):
    """A fixed network whose features before activation are compared; a subclass's `taps` yields them.

    `name` is what `build_feature_network` calls it; `layer_names` says what the taps are called, from the first to the
    deepest; `features` holds the layers, numbered as in torchvision.

    Args:
        normalisation: What its weights expect.
    """

    name: str
    layer_names: tuple[str, ...]
    mean: Tensor
    deviation: Tensor

    def __init__(self, normalisation: Normalisation) -> None:
        super().__init__()
        self.features = nn.Module()
        self.normalisation = normalisation
        mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in (normalisation.mean, normalisation.deviation))
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("deviation", deviation, persistent=False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Map pictures to features.

        Args:
            pictures: (N, 3, H, W), RGB, 0…1; below 32 pixels, the last row and column are repeated.

        Returns:
            One (N, C, h, w) per name in `layer_names`, before activation.
        """
        missing = max(0, SMALLEST_SIDE - min(pictures.shape[2:]))
        if missing:
            pictures = functional.pad(pictures, (0, missing, 0, missing), mode="replicate")
        if self.normalisation.reverse:
            pictures = pictures.flip(1)
        return self.taps((pictures * self.normalisation.factor - self.mean) / self.deviation)

    def taps(self, normalised: Tensor) -> list[Tensor]:
        """Map normalised pictures to the features before each activation."""
        raise NotImplementedError

    def layer(self, number: int) -> nn.Module:
        """Return layer `number` in torchvision's count."""
        return self.features.get_submodule(str(number))


class Vgg(FeatureNetwork):
    """VGG16 or VGG19 (Simonyan and Zisserman 2015) up to the last convolution: taps conv1_1 … conv5_3 or conv5_4."""

    def __init__(self, name: str, normalisation: Normalisation = IMAGENET) -> None:
        super().__init__(normalisation)
        self.name = name
        self.stages: list[list[int]] = []
        inputs, number, names = 3, 0, []
        for stage, (count, width) in enumerate(zip(_VGG_STAGES[name], _VGG_WIDTHS, strict=True), start=1):
            self.stages.append([])
            for index in range(1, count + 1):
                self.features.add_module(str(number), nn.Conv2d(inputs, width, kernel_size=3, padding=1))
                self.stages[-1].append(number)
                names.append(f"conv{stage}_{index}")
                inputs, number = width, number + 2
            number += 1
        self.layer_names = tuple(names)

    def taps(self, normalised: Tensor) -> list[Tensor]:
        """Map normalised pictures to each convolution's output."""
        found, features = [], normalised
        for stage, numbers in enumerate(self.stages):
            if stage:
                features = functional.max_pool2d(features, 2)
            for number in numbers:
                found.append(self.layer(number)(features))
                features = found[-1].relu()
        return found


class Fire(nn.Module):
    """SqueezeNet's block: 1×1 to few channels, then 1×1 and 3×3 side by side; its output is before activation."""

    def __init__(self, inputs: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, kernel_size=1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, kernel_size=1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, kernel_size=3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, 2 × expanded, H, W)."""
        squeezed = self.squeeze(features).relu()
        return torch.cat((self.expand1x1(squeezed), self.expand3x3(squeezed)), dim=1)


class SqueezeNet(FeatureNetwork):
    """SqueezeNet 1.1 (Iandola et al. 2016): taps the first convolution and the eight fire blocks."""

    name = "squeezenet"
    layer_names = ("conv1", *(f"fire{number}" for number in range(2, 10)))

    def __init__(self, normalisation: Normalisation = CAFFE) -> None:
        super().__init__(normalisation)
        self.features.add_module("0", nn.Conv2d(3, 64, kernel_size=3, stride=2))
        for number, sizes in _FIRES.items():
            self.features.add_module(str(number), Fire(*sizes))

    def taps(self, normalised: Tensor) -> list[Tensor]:
        """Map normalised pictures to the first convolution's and each fire block's output."""
        found = [self.layer(0)(normalised)]
        for number in _FIRES:
            features = found[-1].relu()
            if number in (3, 6, 9):
                features = functional.max_pool2d(features, kernel_size=3, stride=2, ceil_mode=True)
            found.append(self.layer(number)(features))
        return found


def build_feature_network(name: str, normalisation: Normalisation | None = None) -> FeatureNetwork:
    """Build a feature network with random weights, fixed and in evaluation mode.

    Args:
        name: "squeezenet", "vgg16" or "vgg19".
        normalisation: None for that of the weights usually met.

    Returns:
        The network; gradients flow through it but not into it.
    """
    if name == "squeezenet":
        network: FeatureNetwork = SqueezeNet(normalisation or CAFFE)
    else:
        network = Vgg(name, normalisation or IMAGENET)
    return network.requires_grad_(False).eval()
