"""How good a generator is on pictures it never saw: reduce by 2, enlarge again, compare.

The reduction is Pillow's BICUBIC, the picture is first cut to even sizes, grey pictures are taken as RGB; the
generator runs on the whole picture at once. Bicubic enlargement is always measured beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from trainer.data.degradation.degrade import Degradation, apply
from trainer.errors import EvaluationError
from trainer.metrics.distribution import Features
from trainer.metrics.extra_metrics import ExtraMetrics, Seen, compare_sets
from trainer.metrics.psnr_ssim import luma_psnr, luma_ssim
from trainer.metrics.texture import Texture, compare_textures
from trainer.training.validation import enlarge_pixels
from weights import Generator

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}

Pixels = NDArray[np.uint8]
Enlarger = Callable[[Pixels], Pixels]
PLAIN = ExtraMetrics()


@dataclass(frozen=True)
class Scores:
    """Means over a set of pictures.

    Attributes:
        name: Of the enlarger.
        psnr: Y-PSNR in decibels, two pixels cut off at every side.
        pictures: How many were measured.
        ssim: Y-SSIM, the same border.
        extra: Further measures by name.
    """

    name: str
    psnr: float
    pictures: int
    ssim: float = float("nan")
    extra: Mapping[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """Return all of it as one flat dictionary; a measure that could not be taken is None."""
        flat = {"name": self.name, "pictures": self.pictures, "psnr": self.psnr, "ssim": self.ssim, **self.extra}
        return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in flat.items()}


def evaluate(enlargers: dict[str, Enlarger], folder: Path, metrics: ExtraMetrics = PLAIN) -> list[Scores]:
    """Measure enlargers on a folder of high-resolution pictures.

    Args:
        enlargers: Name → function from (H, W, 3) to (2H, 2W, 3), uint8.
        folder: Holds the pictures; sub-folders are not looked into.
        metrics: What to measure beside PSNR and SSIM.

    Returns:
        One row for bicubic, then one for each enlarger in the order given.

    Raises:
        EvaluationError: The folder has no pictures, or one cannot be read.
    """
    found: dict[str, _Found] = {}
    originals = _Found()
    for file in picture_files(folder):
        high_res = even_picture(file)
        originals.describe(high_res, metrics)
        original = _Original(high_res, metrics.seen(high_res))
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
    """What was found out about one enlarger's pictures, or about the originals."""

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
    seen: Seen | None


def _measured(ours: Pixels, original: _Original, metrics: ExtraMetrics) -> dict[str, float]:
    line = {"psnr": luma_psnr(ours, original.pixels), "ssim": luma_ssim(ours, original.pixels)}
    if metrics.niqe is not None:
        line["niqe"] = metrics.niqe(ours)
    return line | metrics.distances(ours, original.seen)


def _measured_from_jpeg(
    enlarger: Enlarger, original: _Original, quality: int, metrics: ExtraMetrics
) -> dict[str, float]:
    """Measure what becomes of a reduced picture that was kept as JPEG with colour at half size."""
    ours = enlarger(apply(original.pixels, Degradation(quality=quality, half_chroma=True)))
    line = {"psnr": luma_psnr(ours, original.pixels), **metrics.distances(ours, original.seen)}
    return {f"jpeg{quality}_{name}": value for name, value in line.items()}


def _mean(values: list[float]) -> float:
    """The mean of the values that are numbers: small pictures have no NIQE, for one."""
    numbers = [value for value in values if not math.isnan(value)]
    return float(np.mean(numbers)) if numbers else float("nan")


def enlarger_of(generator: Generator) -> Enlarger:
    """Return the enlarger of a generator: the plain forward pass, float32, no self-ensemble."""
    return lambda low_res: np.asarray(enlarge_pixels(generator, low_res))


def bicubic(low_res: Pixels) -> Pixels:
    """Enlarge (H, W, 3) uint8 to (2H, 2W, 3) with Pillow's BICUBIC."""
    height, width = low_res.shape[:2]
    return np.asarray(Image.fromarray(low_res).resize((2 * width, 2 * height), Image.Resampling.BICUBIC))


def reduced(high_res: Pixels) -> Pixels:
    """Reduce (2H, 2W, 3) uint8 to (H, W, 3) with Pillow's BICUBIC."""
    height, width = high_res.shape[:2]
    return np.asarray(Image.fromarray(high_res).resize((width // 2, height // 2), Image.Resampling.BICUBIC))


def picture_files(folder: Path) -> list[Path]:
    """List the pictures of a folder by name.

    Args:
        folder: A folder.

    Returns:
        At least one path.

    Raises:
        EvaluationError: There is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise EvaluationError(f"{folder} is no folder; expected one with high-resolution pictures; check --images.")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise EvaluationError(
            f"{folder} holds no picture ({', '.join(sorted(SUFFIXES))}); expected at least one; check --images."
        )
    return files


def even_picture(file: Path) -> Pixels:
    """Decode a picture and cut it to even sizes.

    Args:
        file: A picture of any mode that Pillow reads.

    Returns:
        (2H, 2W, 3) uint8, RGB.

    Raises:
        EvaluationError: The file cannot be read, or is smaller than 8 pixels.
    """
    try:
        with Image.open(file) as image:
            picture: Pixels = np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise EvaluationError(f"{file} cannot be read ({error}); expected a picture; remove or replace it.") from error
    height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    if min(height, width) < 8:
        raise EvaluationError(f"{file} has {width}×{height} pixels; expected at least 8×8; remove or replace it.")
    return picture[:height, :width]
