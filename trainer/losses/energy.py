"""Compares how much fine detail pictures have, by frequency, against both blur and grids. Knows no nets."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from trainer.losses.pixel_losses import hann, luma_of

_BANDS = 8  # of frequencies, in each direction
_ROUNDING = 1 / 12 / 255**2  # power of rounding to 8 bit


def energy_difference(generated: Tensor, high_res: Tensor) -> Tensor:
    """Return the mean absolute difference of the logarithms of the batch's power in 8 × 8 bands of frequencies.

    It asks for as much fine detail as photos have; where that belongs is left to the other losses. Features and
    a discriminator leave the highest frequencies at half of a photo's (after Durall et al. 2020, who compare rings of
    each picture's spectrum). On luma, under a Hann window; the floor is the power of rounding to 8 bit.

    Args:
        generated: (N, 3, H, W) float32.
        high_res: The same shape, 0…1.

    Returns:
        One number: 0 where both batches have the same energy in every band.
    """
    ours, theirs = (_band_power(side) for side in (generated, high_res))
    return (ours.log() - theirs.log()).abs().mean()


def _band_power(pictures: Tensor) -> Tensor:
    """Return the mean power over the batch by band of |vertical| and |horizontal| frequency: (8, 8)."""
    grey = luma_of(pictures)
    varying = grey - grey.mean(dim=(1, 2), keepdim=True)
    spectra = torch.view_as_real(torch.fft.rfft2(varying * hann(varying), norm="ortho"))
    power = spectra.square().sum(dim=-1).mean(dim=0)
    height, width = power.shape
    half = height // 2 + 1
    folded = power[:half] + torch.cat((power[:1], power[half - 1 :].flip(0)))[:half]
    bands = functional.adaptive_avg_pool2d(folded[None], min(_BANDS, half, width))[0]
    return bands + _ROUNDING
