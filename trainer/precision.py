"""In which precision the convolutions are computed: bfloat16 only where it is fast and gives nearly the same."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainer.config import TrainingConfig
from trainer.errors import TrainingError

LARGEST_DIFFERENCE = 1 / 255  # mean, values 0…1


def compute_dtype(config: TrainingConfig, device: torch.device) -> torch.dtype:
    """Choose by settings and device.

    Args:
        config: Says what is wanted.
        device: Where it is computed.

    Returns:
        torch.float32 or torch.bfloat16.
    """
    if config.precision == "auto":
        fast = device.type == "cuda" or (device.type == "cpu" and torch.cpu._is_amx_tile_supported())
        return torch.bfloat16 if fast else torch.float32
    return torch.float32 if config.precision == "float32" else torch.bfloat16


@torch.no_grad()
def check_precision(
    enlarge: Callable[[Tensor], Tensor], low_res: Tensor, config: TrainingConfig, dtype: torch.dtype
) -> torch.dtype:
    """Compare bfloat16 with float32 on a batch before the training starts.

    Args:
        enlarge: The generator with its sum.
        low_res: (N, 3, H, W) float32.
        config: Says whether bfloat16 was asked for or chosen.
        dtype: What was chosen.

    Returns:
        The dtype to use: float32 where bfloat16 was only chosen and differs too much.

    Raises:
        TrainingError: bfloat16 was asked for and differs too much.
    """
    if dtype == torch.float32:
        return dtype
    exact = enlarge(low_res)
    with torch.autocast(low_res.device.type, dtype):
        difference = float((enlarge(low_res) - exact).abs().mean())
    if difference <= LARGEST_DIFFERENCE:
        return dtype
    if config.precision == "auto":
        return torch.float32
    raise TrainingError(
        f"bfloat16 differs from float32 by {difference * 255:.2f}/255 on the first batch, expected at most "
        f"{LARGEST_DIFFERENCE * 255:.0f}/255; train with --precision float32"
    )
