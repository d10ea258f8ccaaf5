"""What the pixel phase minimises: the mean absolute difference of values and of their spectra."""

from __future__ import annotations

import torch
from torch import Tensor

from trainer.config import TrainingConfig


def pixel_loss(generated: Tensor, high_res: Tensor, config: TrainingConfig) -> Tensor:
    """Weigh the losses of the pixel phase.

    Args:
        generated: (N, 3, H, W) float32, about 0…1.
        high_res: The same shape, 0…1.
        config: Gives the weights.

    Returns:
        One number to minimise.
    """
    loss = generated.new_zeros(())
    if config.l1_weight:
        loss = loss + config.l1_weight * (generated - high_res).abs().mean()
    if config.fft_weight:
        loss = loss + config.fft_weight * spectrum_difference(generated, high_res)
    return loss


def spectrum_difference(generated: Tensor, high_res: Tensor) -> Tensor:
    """Mean absolute difference of the real and imaginary parts of the spectra (after Cho et al. 2021, MIMO-UNet)."""
    difference: Tensor = torch.view_as_real(torch.fft.rfft2(generated - high_res))
    return difference.abs().mean()
