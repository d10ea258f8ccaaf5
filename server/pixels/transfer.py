"""The sRGB curve, there and back, for documents in linear light. numpy only.

Values outside 0…1 follow the curve on, mirrored at 0, so that the two functions undo each other everywhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def to_perceptual(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn linear light into values as displayed, same shape, float32 (IEC 61966-2-1)."""
    size = np.abs(linear)
    curved = 1.055 * np.power(np.maximum(size, 0.0031308), 1 / 2.4) - 0.055
    return np.copysign(np.where(size <= 0.0031308, np.minimum(size, 0.0031308) * 12.92, curved), linear).astype(
        np.float32, copy=False
    )


def to_linear(perceptual: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn values as displayed into linear light, same shape, float32."""
    size = np.abs(perceptual)
    with np.errstate(over="ignore"):  # the largest values overshoot; whoever stores them clips them
        curved = np.power((np.maximum(size, 0.04045) + 0.055) / 1.055, 2.4)
    return np.copysign(np.where(size <= 0.04045, size / 12.92, curved), perceptual).astype(np.float32, copy=False)
