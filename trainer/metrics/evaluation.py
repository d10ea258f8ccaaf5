"""Measures generators on pictures they were not trained on: reduce by 2, enlarge again, compare.

The reduction is Pillow's BICUBIC, the picture is first cut to even sizes, grey pictures are taken as RGB; the
generator runs on the whole picture at once. Bicubic enlargement is always measured beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from trainer.data.degradation.degrade import Degradation, apply
from trainer.metrics.distribution import Features
from trainer.metrics.extra_metrics import ExtraMetrics, NetworkFeatures, compare_sets
from trainer.metrics.pictures import Enlarger, Pixels, bicubic, even_picture, picture_files, reduced
from trainer.metrics.psnr_ssim import luma_psnr, luma_ssim
from trainer.metrics.texture import Texture, compare_textures

PLAIN = ExtraMetrics()


@dataclass(frozen=True)
class Scores:
    """Means over a set of pictures."""

    name: str  # Of the enlarger
    psnr: float  # Y-PSNR in decibels, two pixels cut off at every side
    pictures: int  # How many were measured
    ssim: float = float("nan")  # Y-SSIM, the same border
    extra: Mapping[str, float] = field(default_factory=dict)  # Further measures by name

    def figures(self) -> dict[str, Any]:
        """Return all of it as one flat dictionary; a measure that could not be taken is None."""
        flat = {"name": self.name, "pictures": self.pictures, "psnr": self.psnr, "ssim": self.ssim, **self.extra}
        return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in flat.items()}


def evaluate(
    enlargers: dict[str, Enlarger], pictures: Path | Sequence[Path], metrics: ExtraMetrics = PLAIN
) -> list[Scores]:
    """Measure enlargers on high-resolution pictures.

    Args:
        enlargers: Name → function from (H, W, 3) to (2H, 2W, 3), uint8.
        pictures: The files, or a folder that holds them; sub-folders are not looked into.
        metrics: What to measure beside PSNR and SSIM.

    Returns:
        One row for bicubic, then one for each enlarger in the order given.

    Raises:
        EvaluationError: The folder has no pictures, or one cannot be read.
    """
    found: dict[str, _Found] = {}
    originals = _Found()
    files = picture_files(pictures) if isinstance(pictures, Path) else pictures
    for file in tqdm(files, unit="picture", desc="measuring", mininterval=1, delay=2):
        high_res = even_picture(file)
        originals.describe(high_res, metrics)
        original = _Original(high_res, metrics.network_features(high_res))
        for name, enlarger in {"bicubic": bicubic, **enlargers}.items():
            ours = enlarger(reduced(high_res))
            kept = found.setdefault(name, _Found())
            kept.lines.append(_measured(ours, original, metrics))
            kept.describe(ours, metrics)
            for quality in metrics.jpeg_qualities:
                kept.lines[-1] |= _measured_from_jpeg(enlarger, original, quality, metrics)
    return [kept.scores(name, originals) for name, kept in found.items()]


@dataclass
class _Found:
    """Collects what is measured on one enlarger's pictures, or on the originals."""

    lines: list[dict[str, float]] = field(default_factory=list)
    features: list[Features] = field(default_factory=list)
    textures: list[Texture] = field(default_factory=list)

    def describe(self, picture: Pixels, metrics: ExtraMetrics) -> None:
        self.features.append(metrics.features(picture))
        if metrics.texture:
            self.textures.append(Texture.of(picture))

    def scores(self, name: str, originals: _Found) -> Scores:
        means = {measure: _mean([line[measure] for line in self.lines]) for measure in self.lines[0]}
        psnr, ssim = means.pop("psnr"), means.pop("ssim")
        extra = means | compare_sets(originals.features, self.features)
        if self.textures:
            extra |= compare_textures(originals.textures, self.textures)
        return Scores(name, psnr, len(self.lines), ssim, extra)


@dataclass(frozen=True)
class _Original:
    """A picture that enlarged ones are compared with, and what the feature network sees in it."""

    pixels: Pixels
    features: NetworkFeatures | None


def _measured(ours: Pixels, original: _Original, metrics: ExtraMetrics) -> dict[str, float]:
    line = {"psnr": luma_psnr(ours, original.pixels), "ssim": luma_ssim(ours, original.pixels)}
    if metrics.niqe is not None:
        line["niqe"] = metrics.niqe(ours)
    return line | metrics.distances(ours, original.features)


def _measured_from_jpeg(
    enlarger: Enlarger, original: _Original, quality: int, metrics: ExtraMetrics
) -> dict[str, float]:
    """Measure what becomes of a reduced picture that was kept as JPEG with colour at half size."""
    ours = enlarger(apply(original.pixels, Degradation(quality=quality, half_chroma=True)))
    line = {"psnr": luma_psnr(ours, original.pixels), **metrics.distances(ours, original.features)}
    return {f"jpeg{quality}_{name}": value for name, value in line.items()}


def _mean(values: list[float]) -> float:
    """Return the mean of the values that are numbers, because small pictures have no NIQE."""
    numbers = [value for value in values if not math.isnan(value)]
    return float(np.mean(numbers)) if numbers else float("nan")
