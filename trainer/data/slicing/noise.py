"""How noisy photos are, and the cameras that they are from."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

NOISY = 2.0  # of 255: from here on it is proposed to reduce a camera's photos
_BLOCK = 32  # pixels per side
_SMOOTH_SHARE = 0.1  # of the blocks: in the smoothest there is little but noise
_UNCLIPPED = (16.0, 240.0)  # mean luma of blocks that are looked at: clipped ones have no noise


def noise_of(luma: npt.NDArray[np.uint8]) -> float | None:
    """Estimate a photo's noise from the diagonal differences of pixels, where it is smoothest.

    Args:
        luma: (H, W).

    Returns:
        Standard deviation, of 255, as if each pixel had noise of its own: what demosaicing and JPEG have smoothed
        counts less. None where no part can tell.
    """
    height, width = (side // _BLOCK * _BLOCK for side in luma.shape)
    whole = luma[:height, :width].astype(np.float32)
    difference = whole[0::2, 0::2] - whole[0::2, 1::2] - whole[1::2, 0::2] + whole[1::2, 1::2]
    powers = _means_of_blocks(difference**2, _BLOCK // 2) / 4
    means = _means_of_blocks(whole, _BLOCK)
    usable = powers[(means > _UNCLIPPED[0]) & (means < _UNCLIPPED[1])]
    return float(np.sqrt(np.quantile(usable, _SMOOTH_SHARE))) if usable.size else None


def camera_table(photos: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a line for each camera, the noisiest first, and flags for those that are better reduced.

    Args:
        photos: Records of a manifest, by name; cameras without a name are left out.

    Returns:
        Lines; none where no camera is known.
    """
    found: dict[str, list[float]] = defaultdict(list)
    reduced = {record["camera"] for record in photos.values() if record["first_reduction"] > 1}
    for record in photos.values():
        if record["camera"] and record.get("noise") is not None:
            found[record["camera"]].append(record["noise"])
    if not found:
        return []
    rows = sorted(((statistics.median(each), len(each), camera) for camera, each in found.items()), reverse=True)
    lines = ["noise of 255  photos  camera", *(f"{noise:12.1f}  {count:6}  {camera}" for noise, count, camera in rows)]
    noisy = [camera for noise, _, camera in rows if noise >= NOISY and camera not in reduced]
    if noisy:
        flags = " ".join(f'--reduce "{camera}=2"' for camera in noisy)
        lines.append(f"noise of {NOISY:g} or more is learned like texture; to cut such photos at half size: {flags}")
    return lines


def _means_of_blocks(values: npt.NDArray[np.float32], side: int) -> npt.NDArray[np.float32]:
    rows, columns = (length // side for length in values.shape)
    means: npt.NDArray[np.float32] = values.reshape(rows, side, columns, side).mean(axis=(1, 3))
    return means
