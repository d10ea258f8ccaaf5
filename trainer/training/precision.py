"""In which precision the convolutions are computed: half precision only where it is fast and gives nearly the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from trainer.config import TrainingConfig
from trainer.errors import TrainingError

BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
FIRST_BFLOAT16_CAPABILITY = (8, 0)  # of CUDA; before, bfloat16 is emulated
FIRST_FLOAT16_CAPABILITY = (7, 0)  # from which on there are units for float16
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
LARGEST_DIFFERENCE = 1 / 255  # mean, values 0…1


def compute_dtype(config: TrainingConfig, device: torch.device) -> torch.dtype:
    """Choose by settings and device.

    Args:
        config: Says what is wanted.
        device: Where it is computed.

    Returns:
        torch.float32, torch.bfloat16 or torch.float16.
    """
    if config.precision != "auto":
        return DTYPES[config.precision]
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        if capability >= FIRST_BFLOAT16_CAPABILITY:
            return torch.bfloat16
        return torch.float16 if capability >= FIRST_FLOAT16_CAPABILITY else torch.float32
    fast = device.type == "cpu" and multiplies_bfloat16(cpu_capabilities())
    return torch.bfloat16 if fast else torch.float32


def gradient_scaler(device: torch.device, dtype: torch.dtype) -> torch.amp.GradScaler:
    """Return what keeps small gradients above float16's smallest number, and skips a step that went beyond its largest.

    Args:
        device: Where it is computed.
        dtype: What convolutions are computed in; for others than float16 the scaler does nothing.

    Returns:
        The scaler.
    """
    return torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)


def cpu_capabilities() -> Mapping[str, Any]:
    """Return what torch found this CPU to have, by name; empty where torch is too old to say (before 2.10)."""
    asked = getattr(torch.cpu, "get_capabilities", None)
    return asked() if asked is not None else {}


def multiplies_bfloat16(capabilities: Mapping[str, Any]) -> bool:
    """Return whether a CPU has instructions that multiply bfloat16, without which it is slower than float32.

    Measured on two Zen 4 cores with AVX-512-BF16: a step of the pixel phase takes 110 ms instead of 213 ms.

    Args:
        capabilities: Name → whether it is there, as `cpu_capabilities` returns them.

    Returns:
        False also where torch was built without the library that uses them.
    """
    usable: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return usable and any(capabilities.get(name) for name in BFLOAT16_INSTRUCTIONS)


@torch.no_grad()
def check_precision(
    enlarge: Callable[[Tensor], Tensor], low_res: Tensor, config: TrainingConfig, dtype: torch.dtype
) -> torch.dtype:
    """Compare half precision with float32 on a batch before the training starts.

    Args:
        enlarge: The generator with its sum.
        low_res: (N, 3, H, W) float32.
        config: Says whether half precision was asked for or chosen.
        dtype: What was chosen.

    Returns:
        The dtype to use: float32 where half precision was only chosen and differs too much.

    Raises:
        TrainingError: Half precision was asked for and differs too much.
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
        f"{config.precision} differs from float32 by {difference * 255:.2f}/255 on the first batch, expected at most "
        f"{LARGEST_DIFFERENCE * 255:.0f}/255; train with --precision float32"
    )
