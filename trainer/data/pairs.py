"""Where a pair is cut from its patch, and what makes its low-resolution side: drawn by chance from the settings."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from trainer.config import TrainingConfig
from trainer.data.degradation.degrade import SCALE, Degradation, DegradationConfig, draw
from trainer.data.degradation.processing import ProcessingConfig

MARGIN = 8  # low-resolution pixels around what is cut out: reductions and JPEG blocks reach that far
NEAR_MARGIN = 4  # of these, at least so many lie before it


@dataclass(frozen=True)
class Cut:
    """Where a pair is cut from its patch: low-resolution pixels."""

    outer: tuple[int, int]  # (row, column) of the part that is degraded
    outer_size: int  # Its side
    inner: tuple[int, int]  # (row, column) of what is kept, within that part

    def pixels(self, axis: int, scale: int) -> slice:
        """Return the high-resolution rows (axis 0) or columns (axis 1) of the part that is degraded."""
        return slice(scale * self.outer[axis], scale * (self.outer[axis] + self.outer_size))


def subset_of(count: int, config: TrainingConfig) -> list[int]:
    """Draw which patches are trained on.

    Args:
        count: Number of patches.
        config: Says which share of them, and the seed.

    Returns:
        Their numbers, ascending; all of them with a share of 1, at least one with any.
    """
    kept = max(1, round(config.subset * count))
    return sorted(np.random.default_rng(config.seed).permutation(count)[:kept].tolist())


def scale_of(step: int, config: TrainingConfig) -> int:
    """Return how many times larger than low_res the high_res of a step is: 4 at every other step with `twice`."""
    return SCALE * SCALE if config.twice and step % 2 else SCALE


def size_of(step: int, steps: int, config: TrainingConfig) -> int:
    """Return the low-resolution side of a step's patches: of several sizes, each has an equal part of the phase."""
    return config.patch_size[min(step, steps - 1) * len(config.patch_size) // steps]


def draw_cut(
    random: np.random.Generator, length: int, scale: int, size: int, degradation: DegradationConfig
) -> tuple[Cut, Degradation]:
    """Draw where a pair is cut from its patch, and how its low-resolution side is made.

    Args:
        random: Seeded by (seed, step, index).
        length: Side of the patch, high-resolution pixels.
        scale: How many times larger high_res is.
        size: The pair's low-resolution side.
        degradation: Probabilities and strengths.

    Returns:
        Place and degradation.
    """
    whole = length // scale
    place = [int(random.integers(whole - size + 1)) for _ in range(2)]
    drawn = replace(draw(random, degradation), scale=scale)
    outer_size = min(whole, size + 2 * MARGIN)
    # JPEG's blocks begin at the outer part's corner: their place within the pair is left to chance
    shifts = random.integers(8, size=2).tolist() if degradation.mode == "photo" else [0, 0]
    outer = [min(max(0, at - NEAR_MARGIN - shift), whole - outer_size) for at, shift in zip(place, shifts, strict=True)]
    inner = (place[0] - outer[0], place[1] - outer[1])
    return Cut((outer[0], outer[1]), outer_size, inner), drawn


def degradation_of(config: TrainingConfig) -> DegradationConfig:
    """Return the part of the settings that the degradation needs."""
    return DegradationConfig(
        mode=config.degradation,
        bicubic_probability=config.bicubic_probability,
        blur_probability=config.blur_probability,
        blur_sigma=config.blur_sigma,
        noise_probability=config.noise_probability,
        noise_sigma=config.noise_sigma,
        jpeg_probability=config.jpeg_probability,
        jpeg_quality=(config.jpeg_lowest, config.jpeg_highest),
        half_chroma_probability=config.half_chroma_probability,
        processing=ProcessingConfig(**{entry.name: getattr(config, entry.name) for entry in fields(ProcessingConfig)}),
    )
