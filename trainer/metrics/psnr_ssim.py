"""Measures between pictures: PSNR and SSIM on luma, as the literature takes them.

Convention: values rounded to 8 bit, BT.601 studio-range luma (16…235), two pixels cut off at every side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BORDER = 2
_LUMA = np.array([65.481, 128.553, 24.966]) / 255.0
_PEAK = 255.0
_SSIM_WINDOW = 11
_SSIM_SIGMA = 1.5
_SSIM_C1, _SSIM_C2 = (0.01 * _PEAK) ** 2, (0.03 * _PEAK) ** 2

Pixels = NDArray[np.uint8]


def luma(picture: Pixels) -> NDArray[np.float64]:
    """Return BT.601 luma of (H, W, 3) uint8 as (H, W) float64, 16…235."""
    return picture.astype(np.float64) @ _LUMA + 16.0


def _inner_luma(picture: Pixels, border: int) -> NDArray[np.float64]:
    height, width = picture.shape[:2]
    return luma(picture)[border : height - border, border : width - border]


def luma_psnr(picture: Pixels, reference: Pixels, border: int = BORDER) -> float:
    """Peak signal-to-noise ratio on luma.

    Args:
        picture: (H, W, 3) uint8 RGB.
        reference: The same shape.
        border: Pixels cut off at every side.

    Returns:
        Decibels; infinite for equal pictures.
    """
    ours, theirs = _inner_luma(picture, border), _inner_luma(reference, border)
    error = float(np.mean((ours - theirs) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(_PEAK**2 / error))


def luma_ssim(picture: Pixels, reference: Pixels, border: int = BORDER) -> float:
    """Structural similarity on luma (Wang et al. 2004): 11 × 11 Gaussian window, σ 1.5, K 0.01 and 0.03.

    Args:
        picture: (H, W, 3) uint8 RGB.
        reference: The same shape.
        border: Pixels cut off at every side.

    Returns:
        Mean over all windows that fit, at most 1; NaN where none fits.
    """
    ours, theirs = _inner_luma(picture, border), _inner_luma(reference, border)
    if min(ours.shape) < _SSIM_WINDOW:
        return float("nan")
    mean, other_mean = _blurred(ours), _blurred(theirs)
    variance = _blurred(ours**2) - mean**2
    other_variance = _blurred(theirs**2) - other_mean**2
    covariance = _blurred(ours * theirs) - mean * other_mean
    similar = (2 * mean * other_mean + _SSIM_C1) * (2 * covariance + _SSIM_C2)
    energy = (mean**2 + other_mean**2 + _SSIM_C1) * (variance + other_variance + _SSIM_C2)
    return float(np.mean(similar / energy))


def _blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weigh each window that fits by a Gaussian: (H, W) to (H − 10, W − 10)."""
    place = np.arange(_SSIM_WINDOW) - _SSIM_WINDOW // 2
    weights = np.exp(-(place**2) / (2 * _SSIM_SIGMA**2))
    weights /= weights.sum()
    for axis in (0, 1):
        kept = values.shape[axis] - _SSIM_WINDOW + 1
        values = sum(
            (weight * values.take(range(start, start + kept), axis=axis) for start, weight in enumerate(weights)),
            start=np.zeros(1),
        )
    return values
