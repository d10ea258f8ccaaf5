"""Pixel losses: each maps two batches of pictures to one number. Knows no nets.

All take `generated` and `high_res`, (N, 3, H, W) float32, 0…1 (generated may leave that range), and return a scalar.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]

_LUMA = (0.299, 0.587, 0.114)  # shares of red, green, blue (BT.601)
PSNR_FLOOR = 1e-8
_SILENT = 1e-6  # amplitude below which a frequency has no meaningful phase


def l1(generated: Tensor, high_res: Tensor) -> Tensor:
    """Return the mean absolute difference."""
    return (generated - high_res).abs().mean()


def mse(generated: Tensor, high_res: Tensor) -> Tensor:
    """Return the mean squared difference."""
    return (generated - high_res).square().mean()


def psnr(generated: Tensor, high_res: Tensor) -> Tensor:
    """Return minus the PSNR in decibels, averaged over the pictures of the batch (each picture counts alike)."""
    error = (generated - high_res).square().mean(dim=(1, 2, 3))
    return (error + PSNR_FLOOR).log().mean().mul(10 / math.log(10))


def spectrum(generated: Tensor, high_res: Tensor) -> Tensor:
    """Return the mean absolute difference of the spectra, real and imaginary parts (Cho et al. 2021, MIMO-UNet)."""
    difference: Tensor = torch.view_as_real(torch.fft.rfft2(generated - high_res))
    return difference.abs().mean()


def amplitude_phase(generated: Tensor, high_res: Tensor) -> Tensor:
    """Return the mean of the amplitudes' L1 and the phases' L1, under a Hann window (after Fuoli et al. 2021).

    The transform is orthonormal, so that the size of the patches does not matter; phases are in radians, the shorter
    way round, over all frequencies where both pictures have any amplitude.
    """
    window = hann(generated)
    ours, theirs = (torch.fft.rfft2(side * window, norm="ortho") for side in (generated, high_res))
    amplitude: Tensor = (ours.abs() - theirs.abs()).abs().mean()
    audible = (ours.abs() > _SILENT) & (theirs.abs() > _SILENT)
    turn = torch.where(audible, ours * theirs.conj(), torch.ones_like(ours))
    phase: Tensor = turn.angle().abs().mean()
    return amplitude.add(phase).div(2)


def luma(generated: Tensor, high_res: Tensor) -> Tensor:
    """Return the mean absolute difference of the luma, to which eyes are most sensitive and which Y-PSNR measures."""
    return luma_of(generated - high_res).abs().mean()


def row_difference(generated: Tensor, high_res: Tensor) -> Tensor:
    """Return the mean absolute difference of the steps from row to row; patches are turned, so columns count too."""
    return (generated.diff(dim=2) - high_res.diff(dim=2)).abs().mean()


LOSSES: dict[str, Loss] = {
    "l1": l1,
    "mse": mse,
    "psnr": psnr,
    "luma": luma,
    "fft": spectrum,
    "amplitude_phase": amplitude_phase,
    "row_difference": row_difference,
}


def weighted(generated: Tensor, high_res: Tensor, weights: dict[str, float]) -> tuple[Tensor, dict[str, Tensor]]:
    """Sum the losses that have a weight.

    Args:
        generated: (N, 3, H, W) float32.
        high_res: The same shape, 0…1.
        weights: Weight by name, names as in LOSSES; those with weight 0 are not computed.

    Returns:
        The weighted sum, and each loss before its weight, detached.
    """
    total, parts = generated.new_zeros(()), {}
    for name, weight in weights.items():
        if weight:
            value = LOSSES[name](generated, high_res)
            total = total + weight * value
            parts[name] = value.detach()
    return total, parts


def hann(like: Tensor) -> Tensor:
    """Return a Hann window, (H, W), for pictures of (…, H, W)."""
    height, width = like.shape[-2:]
    rows, columns = (
        torch.hann_window(length, periodic=False, dtype=like.dtype, device=like.device) for length in (height, width)
    )
    return rows[:, None] * columns[None, :]


def luma_of(pictures: Tensor) -> Tensor:
    """Return the luma (BT.601) of pictures, or of differences of them, (N, 3, H, W): (N, H, W)."""
    return (pictures * pictures.new_tensor(_LUMA)[:, None, None]).sum(dim=1)
