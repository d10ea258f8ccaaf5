"""Small ×2 networks of others, as far as their published weights need: RLFN, BSRN, CARN-M. For measuring only.

Written from the papers: RLFN (Kong et al. 2022), BSRN (Li et al. 2022), CARN (Ahn et al. 2018). Submodules carry the
names that the weights files use, which is why they are short.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional


def _cover(features: Tensor, size: tuple[int, int]) -> Tensor:
    return functional.interpolate(features, size, mode="bilinear", align_corners=False)


class RlfnAttention(nn.Module):
    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, inner, 1)
        self.conv_f = nn.Conv2d(inner, inner, 1)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=2)
        self.conv3 = nn.Conv2d(inner, inner, 3, padding=1)
        self.conv4 = nn.Conv2d(inner, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        narrow = self.conv1(features)
        wide = self.conv3(functional.max_pool2d(self.conv2(narrow), 7, 3))
        wide = _cover(wide, features.shape[2:])
        return features * torch.sigmoid(self.conv4(wide + self.conv_f(narrow)))


class RlfnBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.c1_r, self.c2_r, self.c3_r = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(3))
        self.c5 = nn.Conv2d(channels, channels, 1)
        self.esa = RlfnAttention(channels, 16)

    def forward(self, features: Tensor) -> Tensor:
        inner = features
        for layer in (self.c1_r, self.c2_r, self.c3_r):
            inner = functional.leaky_relu(layer(inner), 0.05)
        return self.esa(self.c5(inner + features))


class Rlfn(nn.Module):
    """RLFN; RGB 0…1 outside, 0…255 inside."""

    def __init__(self, channels: int = 52) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(3, channels, 3, padding=1)
        for number in range(1, 7):
            self.add_module(f"block_{number}", RlfnBlock(channels))
        self.conv_2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.upsampler = nn.Sequential(nn.Conv2d(channels, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, low_res: Tensor) -> Tensor:
        first = features = self.conv_1(low_res * 255)
        for number in range(1, 7):
            features = self.get_submodule(f"block_{number}")(features)
        return self.upsampler(self.conv_2(features) + first) / 255


class Blueprint(nn.Module):
    """A pointwise convolution, then a depthwise one."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.pw = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.dw = nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.dw(self.pw(features))


class BsrnAttention(nn.Module):
    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, inner, 1)
        self.conv_f = nn.Conv2d(inner, inner, 1)
        self.conv_max = Blueprint(inner, inner)
        self.conv2 = Blueprint(inner, inner)
        self.conv3 = Blueprint(inner, inner)
        self.conv3_ = Blueprint(inner, inner)
        self.conv4 = nn.Conv2d(inner, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        narrow = self.conv1(features)
        wide = functional.max_pool2d(self.conv2(narrow), 7, 3)
        wide = functional.gelu(self.conv_max(wide))
        wide = self.conv3_(functional.gelu(self.conv3(wide)))
        wide = _cover(wide, features.shape[2:])
        return features * torch.sigmoid(self.conv4(wide + self.conv_f(narrow)))


class ContrastAttention(nn.Module):
    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(
            nn.Conv2d(channels, inner, 1), nn.ReLU(), nn.Conv2d(inner, channels, 1), nn.Sigmoid()
        )

    def forward(self, features: Tensor) -> Tensor:
        mean = features.mean((2, 3), keepdim=True)
        deviation = (features - mean).pow(2).mean((2, 3), keepdim=True).sqrt()
        return features * self.conv_du(deviation + mean)


class BsrnBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        for number in (1, 2, 3):
            self.add_module(f"c{number}_d", nn.Conv2d(channels, channels // 2, 1))
            self.add_module(f"c{number}_r", Blueprint(channels, channels))
        self.c4 = Blueprint(channels, channels // 2)
        self.c5 = nn.Conv2d(2 * channels, channels, 1)
        self.esa = BsrnAttention(channels, 16)
        self.cca = ContrastAttention(channels, 4)

    def forward(self, features: Tensor) -> Tensor:
        kept, inner = [], features
        for number in (1, 2, 3):
            kept.append(functional.gelu(self.get_submodule(f"c{number}_d")(inner)))
            inner = functional.gelu(self.get_submodule(f"c{number}_r")(inner) + inner)
        kept.append(functional.gelu(self.c4(inner)))
        return self.cca(self.esa(self.c5(torch.cat(kept, 1)))) + features


class Upsampler(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.upsampleOneStep = nn.Sequential(nn.Conv2d(channels, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, features: Tensor) -> Tensor:
        return self.upsampleOneStep(features)


class Bsrn(nn.Module):
    """BSRN; RGB 0…1."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        self.fea_conv = Blueprint(12, channels)
        for number in range(1, 9):
            self.add_module(f"B{number}", BsrnBlock(channels))
        self.c1 = nn.Conv2d(8 * channels, channels, 1)
        self.c2 = Blueprint(channels, channels)
        self.upsampler = Upsampler(channels)

    def forward(self, low_res: Tensor) -> Tensor:
        first = features = self.fea_conv(torch.cat([low_res] * 4, 1))
        found = []
        for number in range(1, 9):
            features = self.get_submodule(f"B{number}")(features)
            found.append(features)
        return self.upsampler(self.c2(functional.gelu(self.c1(torch.cat(found, 1)))) + first)


class Body(nn.Module):
    """A sequence under the name `body`."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        return self.body(features)


class CarnResidual(Body):
    def __init__(self, channels: int, groups: int) -> None:
        def grouped() -> nn.Module:
            return nn.Conv2d(channels, channels, 3, padding=1, groups=groups)

        super().__init__(grouped(), nn.ReLU(), grouped(), nn.ReLU(), nn.Conv2d(channels, channels, 1))

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(self.body(features) + features)


class CarnCascade(nn.Module):
    """Three steps, each followed by a 1×1 convolution over everything so far; `shared`: the steps are one module."""

    def __init__(self, channels: int, steps: list[nn.Module]) -> None:
        super().__init__()
        for number, step in enumerate(steps, 1):
            self.add_module(f"b{number}", step)
        for number in (1, 2, 3):
            self.add_module(f"c{number}", Body(nn.Conv2d((number + 1) * channels, channels, 1), nn.ReLU()))
        self.count = len(steps)

    def forward(self, features: Tensor) -> Tensor:
        found = features
        for number in (1, 2, 3):
            stepped = self.get_submodule(f"b{min(number, self.count)}")(features)
            found = torch.cat([found, stepped], 1)
            features = self.get_submodule(f"c{number}")(found)
        return features


class CarnM(nn.Module):
    """CARN-M; RGB 0…1."""

    def __init__(self, channels: int = 64, groups: int = 4) -> None:
        super().__init__()
        self.sub_mean, self.add_mean = (nn.ModuleDict({"shifter": nn.Conv2d(3, 3, 1)}) for _ in range(2))
        self.entry = nn.Conv2d(3, channels, 3, padding=1)
        outer = CarnCascade(channels, [CarnCascade(channels, [CarnResidual(channels, groups)]) for _ in range(3)])
        for name, module in outer.named_children():
            self.add_module(name, module)
        self._outer = [outer]  # in a list: its parts are registered above, once
        enlarging = nn.Conv2d(channels, 4 * channels, 3, padding=1, groups=groups)
        self.upsample = nn.ModuleDict({"up2": Body(enlarging, nn.ReLU(), nn.PixelShuffle(2))})
        self.exit = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, low_res: Tensor) -> Tensor:
        features = self._outer[0](self.entry(self.sub_mean["shifter"](low_res)))
        return self.add_mean["shifter"](self.exit(self.upsample["up2"](features)))


def load_peers(folder: Path) -> dict[str, nn.Module]:
    """Load every network; keys that only other enlargements need are left out, anything else missing is an error."""
    found: dict[str, nn.Module] = {}
    for name, network, file in (
        ("RLFN", Rlfn(), "rlfn_x2.pth"), ("BSRN", Bsrn(), "BSRN_x2.pth"), ("CARN-M", CarnM(), "carn_m.pth"),
    ):  # fmt: skip
        state = torch.load(folder / file, map_location="cpu", weights_only=True)
        state = state.get("params", state)
        network.load_state_dict(
            {key: value for key, value in state.items() if ".up3." not in key and ".up4." not in key}
        )
        found[name] = network.eval().requires_grad_(False)
    return found
