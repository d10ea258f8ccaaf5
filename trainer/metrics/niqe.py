"""NIQE (Mittal et al. 2013): how unlike natural pictures one looks, without a reference. Lower is better.

Local contrast is normalised; the shapes of its distribution and of neighbours' products, over blocks of 96 × 96
pixels at two scales, are compared with a model of pristine photos.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trainer.errors import EvaluationError
from trainer.metrics.psnr_ssim import luma

BLOCK = 96
FEATURES = 36
Values = NDArray[np.float64]


@dataclass(frozen=True)
class NiqeModel:
    """What pristine photos look like."""

    mean: Values  # (36,) mean of their features
    covariance: Values  # (36, 36)
    window: Values  # (7, 7) weights of the local mean

    @classmethod
    def load(cls, path: Path) -> NiqeModel:
        """Read the published model.

        Args:
            path: An .npz file with mu_pris_param, cov_pris_param and gaussian_window.

        Returns:
            The model.

        Raises:
            EvaluationError: The file cannot be read or holds something else.
        """
        try:
            with np.load(path) as file:
                names = ("mu_pris_param", "cov_pris_param", "gaussian_window")
                mean, covariance, window = (np.asarray(file[name], dtype=np.float64) for name in names)
        except (OSError, ValueError, KeyError) as error:
            raise EvaluationError(
                f"{path} cannot be read as NIQE's model ({error}); expected an .npz file; check --niqe-model."
            ) from error
        if mean.size != FEATURES or covariance.shape != (FEATURES, FEATURES):
            raise EvaluationError(f"{path} has {mean.size} features; expected {FEATURES}; check --niqe-model.")
        return cls(mean.reshape(-1), covariance, window)

    def __call__(self, picture: NDArray[np.uint8]) -> float:
        """Measure a picture.

        Args:
            picture: (H, W, 3) uint8 RGB.

        Returns:
            The distance, about 2 (natural) to 20; NaN for pictures below 96 × 96.
        """
        grey = np.rint(luma(picture))
        rows, columns = (length // BLOCK for length in grey.shape)
        if not rows or not columns:
            return math.nan
        grey = grey[: rows * BLOCK, : columns * BLOCK]
        half = np.asarray(
            Image.fromarray((grey / 255).astype(np.float32)).resize(
                (grey.shape[1] // 2, grey.shape[0] // 2), Image.Resampling.BICUBIC
            ),
            dtype=np.float64,
        )
        features = np.concatenate(
            [self._features(grey, BLOCK), self._features(half * 255, BLOCK // 2)],
            axis=1,
        )
        features = features[np.isfinite(features).all(axis=1)]
        if not len(features):
            return math.nan
        # a single block has no covariance of its own
        spread = np.cov(features, rowvar=False) if len(features) > 1 else np.zeros((FEATURES, FEATURES))
        away = self.mean - features.mean(axis=0)
        return float(np.sqrt(away @ np.linalg.pinv((self.covariance + spread) / 2) @ away))

    def _features(self, grey: Values, block: int) -> Values:
        """Return 18 features for each block, (blocks, 18)."""
        mean = _filtered(grey, self.window)
        deviation = np.sqrt(np.abs(_filtered(grey**2, self.window) - mean**2))
        normal = (grey - mean) / (deviation + 1)
        height, width = (length // block for length in grey.shape)
        blocks = normal.reshape(height, block, width, block).swapaxes(1, 2).reshape(-1, block, block)
        return np.array([_block_features(part) for part in blocks])


def _block_features(block: Values) -> list[float]:
    shape, left, right = _fit(block)
    found = [shape, (left + right) / 2]
    for shift in ((0, 1), (1, 0), (1, 1), (1, -1)):
        shape, left, right = _fit(block * np.roll(block, shift, axis=(0, 1)))
        mean = (right - left) * (math.gamma(2 / shape) / math.gamma(1 / shape))
        found += [shape, mean, left, right]
    return found


def _fit(values: Values) -> tuple[float, float, float]:
    """Fit an asymmetric generalised Gaussian by its moments: (shape, left scale, right scale)."""
    values = values.ravel()
    left = math.sqrt(float(np.mean(values[values < 0] ** 2))) if (values < 0).any() else math.nan
    right = math.sqrt(float(np.mean(values[values > 0] ** 2))) if (values > 0).any() else math.nan
    square = float(np.mean(values**2))
    if not square or not right or math.isnan(left) or math.isnan(right):
        return math.nan, math.nan, math.nan
    ratio = left / right
    moment = float(np.mean(np.abs(values))) ** 2 / square
    moment *= (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shapes, moments = _shape_table()
    shape = float(shapes[np.argmin((moments - moment) ** 2)])
    scale = math.sqrt(math.gamma(1 / shape) / math.gamma(3 / shape))
    return shape, left * scale, right * scale


@lru_cache(maxsize=1)
def _shape_table() -> tuple[Values, Values]:
    shapes = np.arange(0.2, 10.001, 0.001)
    log_gamma = np.vectorize(math.lgamma)
    moments = np.exp(2 * log_gamma(2 / shapes) - log_gamma(1 / shapes) - log_gamma(3 / shapes))
    return shapes, moments


def _filtered(values: Values, window: Values) -> Values:
    """Weigh each pixel's surroundings, edges repeated."""
    reach = window.shape[0] // 2
    padded = np.pad(values, reach, mode="edge")
    total = np.zeros_like(values)
    for (row, column), weight in np.ndenumerate(window):
        total += weight * padded[row : row + values.shape[0], column : column + values.shape[1]]
    return total
