"""Networks of other projects, small, with random parameters, written by the library itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from weights.generators.foreign import has_library
from weights.torchvision_operators import import_torchvision

if not has_library():
    pytest.skip("spandrel is not installed", allow_module_level=True)
import_torchvision()

from spandrel import ModelLoader as ModelLoader  # noqa: E402
from spandrel.architectures.ATD import ATD  # noqa: E402
from spandrel.architectures.Compact import Compact  # noqa: E402
from spandrel.architectures.DAT import DAT  # noqa: E402
from spandrel.architectures.DnCNN import DnCNN  # noqa: E402
from spandrel.architectures.DRCT import DRCT  # noqa: E402
from spandrel.architectures.ESRGAN import ESRGAN  # noqa: E402
from spandrel.architectures.HAT import HAT  # noqa: E402
from spandrel.architectures.MoSR import MoSR  # noqa: E402
from spandrel.architectures.OmniSR import OmniSR  # noqa: E402
from spandrel.architectures.PLKSR import RealPLKSR  # noqa: E402
from spandrel.architectures.RCAN import RCAN  # noqa: E402
from spandrel.architectures.RGT import RGT  # noqa: E402
from spandrel.architectures.SPAN import SPAN  # noqa: E402
from spandrel.architectures.SwinIR import SwinIR  # noqa: E402

SMALL: dict[str, Any] = {"embed_dim": 12, "upscale": 2}
WINDOWS: dict[str, Any] = SMALL | {"depths": (2,), "num_heads": (2,), "window_size": 8}
NETWORKS: dict[str, Callable[[], torch.nn.Module]] = {
    "ESRGAN": lambda: ESRGAN(num_filters=16, num_blocks=1, scale=4),
    "Compact": lambda: Compact(num_feat=16, num_conv=3, upscale=3),
    "SPAN": lambda: SPAN(num_in_ch=3, num_out_ch=3, feature_channels=16, upscale=2),
    "PLKSR": lambda: RealPLKSR(dim=16, n_blocks=2, upscaling_factor=2),
    "DAT": lambda: DAT(**SMALL | {"embed_dim": 32}, split_size=[2, 4], depth=[2], num_heads=[2], expansion_factor=2),
    "HAT": lambda: HAT(**WINDOWS, num_feat=16, squeeze_factor=4, mlp_ratio=2),
    "OmniSR": lambda: OmniSR(num_feat=16, up_scale=2),
    "RCAN": lambda: RCAN(scale=2, n_resgroups=1, n_resblocks=2, n_feats=16, reduction=4),
    "MoSR": lambda: MoSR(n_block=2, dim=16, upscale=2),
    "ATD": lambda: ATD(**WINDOWS, category_size=64, num_tokens=16, reducted_dim=4, upsampler="pixelshuffledirect"),
    "RGT": lambda: RGT(**SMALL, depth=[2], num_heads=[2]),
    "DRCT": lambda: DRCT(**WINDOWS | {"depths": (6,)}, upsampler="pixelshuffle", gc=8),
    "SwinIR": lambda: SwinIR(**WINDOWS, mlp_ratio=2, upsampler="pixelshuffledirect"),
    "DnCNN": lambda: DnCNN(in_nc=1, out_nc=1, nc=16, nb=4),
}


def parameters(name: str, seed: int = 0) -> dict[str, torch.Tensor]:
    """Make a network's parameters."""
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return dict(NETWORKS[name]().state_dict())


def save_foreign(name: str, path: Path, seed: int = 0) -> Path:
    """Save a network as its trainer would: .pth, or .safetensors."""
    state = parameters(name, seed)
    if path.suffix == ".safetensors":
        from safetensors.torch import save_file

        save_file({key: each.contiguous().clone() for key, each in state.items()}, path)
    else:
        torch.save({"params_ema": state}, path)
    return path
