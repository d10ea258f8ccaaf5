"""What a half precision or another engine is tested with, and what this processor has units for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIDE = 64  # pixels
LIMIT = 0.25 / 255  # largest difference to torch in float32


def self_test_tiles() -> NDArray[np.float32]:
    """Make a ramp and a picture with the statistics of a photo (1/f noise and an edge), (2, 3, 64, 64), 0…1."""
    side = SIDE
    ramp = np.broadcast_to(np.linspace(0, 1, side, dtype=np.float32), (3, side, side))
    random = np.random.default_rng(7)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1
    noise = np.fft.irfft2(np.fft.rfft2(random.standard_normal((3, side, side))) / frequency, s=(side, side))
    noise = 0.5 + 0.2 * noise / noise.std()
    noise[:, :, side // 2 :] *= 0.4
    return np.stack([ramp, np.clip(noise, 0, 1).astype(np.float32)])


def largest_difference(exact: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Return the largest difference between two results; infinite where one of them is not finite."""
    difference = float(np.abs(exact - found).max())
    return difference if np.isfinite(difference) else float("inf")


def has_bfloat16_units() -> bool:
    """Return whether this processor multiplies bfloat16 itself."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags
