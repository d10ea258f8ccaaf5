"""Measures whether fine texture is natural: no grids, nothing invented where the original is blurred.

Features and PSNR see neither well: a faint grid at the period of the network's strides can even lower a perceptual
distance. All on luma, stretched to 0…255.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.metrics.psnr_ssim import luma

PERIODS = (2, 4)  # pixels: the grids of pixel shuffle and of a feature network's strides
BLOCK = 32  # pixels per side of the patches whose fine detail is compared
LOWEST_SHARE = 0.1  # of all patches, by the original's fine detail, count as blurred
_BAND = 1 / 64  # cycles per pixel to each side of a period's frequency
_SIGMA = 2.0  # pixels; the high-pass is what a Gaussian of this width leaves

Pixels = NDArray[np.uint8]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Texture:
    """One picture's fine texture."""

    energies: Values  # Power at each of PERIODS, mean over rows and columns
    details: Values  # (patches,) variance of the high-pass in each 32 × 32 patch, row by row

    @classmethod
    def of(cls, picture: Pixels) -> Texture:
        """Measure a picture, (H, W, 3) uint8."""
        grey = (luma(picture) - 16) * (255 / 219)
        return cls(np.array([energy_at(grey, period) for period in PERIODS]), details_of(grey))


def compare_textures(real: Sequence[Texture], generated: Sequence[Texture]) -> dict[str, float]:
    """Compare a set of pictures with their originals.

    Args:
        real: The originals'.
        generated: The enlarged ones', in the same order.

    Returns:
        "energy_2" and "energy_4": energy at periods of 2 and 4 pixels, as a multiple of the originals'; "blur_detail"
        and "blur_original": mean high-pass variance, of 255², over the tenth of all patches in which the original has
        the least. NaN where no patch fits.
    """
    ours, theirs = (sum((texture.energies for texture in side), np.zeros(len(PERIODS))) for side in (generated, real))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = ours / theirs
    detail, original = (np.concatenate([texture.details for texture in side]) for side in (generated, real))
    blurred = np.argsort(original, kind="stable")[: max(1, int(LOWEST_SHARE * len(original)))]
    means = [float(side[blurred].mean()) if len(original) else float("nan") for side in (detail, original)]
    return {
        **{f"energy_{period}": float(ratio) for period, ratio in zip(PERIODS, ratios, strict=True)},
        "blur_detail": means[0],
        "blur_original": means[1],
    }


def energy_at(grey: Values, period: int) -> float:
    """Measure the power at a period along rows and along columns, under a Hann window.

    Args:
        grey: (H, W).
        period: Pixels; the band reaches 1/64 cycle per pixel to each side of it.

    Returns:
        The mean of both directions.
    """
    energies = []
    for lines in (grey, grey.T):
        length = lines.shape[1]
        even = lines - lines.mean(axis=1, keepdims=True)
        power = np.abs(np.fft.rfft(even * np.hanning(length), axis=1)) ** 2 / length
        near = np.abs(np.fft.rfftfreq(length) - 1 / period) <= max(_BAND, 0.5 / length)
        energies.append(power[:, near].mean())
    return float(np.mean(energies))


def details_of(grey: Values) -> Values:
    """Return the variance of the high-pass in each whole 32 × 32 patch: (H, W) to (patches,)."""
    fine = grey - _blurred(grey)
    rows, columns = (length // BLOCK for length in grey.shape)
    blocks = fine[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2)
    return np.asarray(blocks.reshape(rows * columns, -1).var(axis=1))


def _blurred(grey: Values) -> Values:
    """Weigh by a Gaussian, edges repeated."""
    reach = int(3 * _SIGMA)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * _SIGMA**2))
    weights /= weights.sum()
    for axis in (0, 1):
        padded = np.pad(grey, [(reach, reach) if side == axis else (0, 0) for side in (0, 1)], mode="edge")
        kept = grey.shape[axis]
        grey = sum(
            (weight * padded.take(range(start, start + kept), axis=axis) for start, weight in enumerate(weights)),
            start=np.zeros(1),
        )
    return grey
