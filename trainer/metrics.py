"""Measures between pictures: PSNR on luma, as the literature takes it.

Convention: values rounded to 8 bit, BT.601 studio-range luma (16…235), two pixels cut off at every side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BORDER = 2
_LUMA = np.array([65.481, 128.553, 24.966]) / 255.0
_PEAK = 255.0

Pixels = NDArray[np.uint8]


def luma(picture: Pixels) -> NDArray[np.float64]:
    """Return BT.601 luma of (H, W, 3) uint8 as (H, W) float64, 16…235."""
    return picture.astype(np.float64) @ _LUMA + 16.0


def luma_psnr(picture: Pixels, reference: Pixels, border: int = BORDER) -> float:
    """Peak signal-to-noise ratio on luma.

    Args:
        picture: (H, W, 3) uint8 RGB.
        reference: The same shape.
        border: Pixels cut off at every side.

    Returns:
        Decibels; infinite for equal pictures.
    """
    height, width = reference.shape[:2]
    inner = (slice(border, height - border), slice(border, width - border))
    error = float(np.mean((luma(picture)[inner] - luma(reference)[inner]) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(_PEAK**2 / error))
