"""Makes the low-resolution side of a pair: what is drawn by chance, and how it is carried out with Pillow.

Drawing and carrying out are apart, so that the version for the device (`device_degrade`) does the same with the same
draws. Order: light blur, reduction ×2, noise, sharpening, JPEG, reduction from a larger size, a second JPEG. What
`processing` has is carried out by Pillow only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from trainer.data.degradation.processing import (
    UNPROCESSED,
    Processing,
    ProcessingConfig,
    compressed,
    draw_processing,
    sharpened,
    with_grain,
)
from trainer.data.slicing.photos import reductions_of

SCALE = 2
Pixels = npt.NDArray[np.uint8]

REDUCTIONS = ("bicubic", "area", "lanczos", "linear_area")
_FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "area": Image.Resampling.BOX,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class DegradationConfig:
    """How likely and how strong each disturbance is."""

    # "bicubic": reduction by Pillow's BICUBIC and nothing else, as classical benchmarks have it; "photo": everything
    # below
    mode: str = "bicubic"
    # share of the patches reduced by BICUBIC; the others by the rest of REDUCTIONS, all alike
    bicubic_probability: float = 0.25
    blur_probability: float = 0.3  # share of the patches that are blurred before the reduction
    blur_sigma: float = 0.8  # largest standard deviation of the blur, high-resolution pixels
    noise_probability: float = 0.3  # share of the patches that get noise after the reduction
    noise_sigma: float = 4.0  # largest standard deviation of the noise, of 255
    jpeg_probability: float = 0.5  # share of the patches that are compressed
    jpeg_quality: tuple[int, int] = (50, 99)  # lowest and highest quality, on libjpeg's scale
    half_chroma_probability: float = 0.5  # share of the compressed patches with colour at half size (4:2:0; else 4:4:4)
    processing: ProcessingConfig = ProcessingConfig()  # what cameras and web sites do beyond that


@dataclass(frozen=True)
class Degradation:
    """What was drawn for one patch."""

    reduction: str = "bicubic"  # one of REDUCTIONS
    blur: float = 0.0  # standard deviation in high-resolution pixels, 0 for none
    gaussian: float = 0.0  # standard deviation of noise that is the same everywhere, of 255
    poisson: float = 0.0  # standard deviation, of 255, that noise growing with the root of the light has at white
    quality: int = 0  # of the JPEG, 0 for none
    half_chroma: bool = False  # whether the JPEG keeps colour at half size
    noise_seed: int = 0  # seed of the noise itself
    scale: int = SCALE  # how many times smaller both sides become
    processing: Processing = UNPROCESSED  # what cameras and web sites do beyond that


def draw(random: np.random.Generator, config: DegradationConfig) -> Degradation:
    """Draw what shall happen to one patch.

    Args:
        random: Seeded by (seed, step, index); always advanced by the same number of draws in mode "photo", by none in
            mode "bicubic".
        config: Probabilities and strengths.

    Returns:
        What to do.
    """
    if config.mode == "bicubic":
        return Degradation()
    chance = random.random(8)
    low, high = config.jpeg_quality
    noisy = chance[2] < config.noise_probability
    strength = float(chance[3]) * config.noise_sigma if noisy else 0.0
    signal = bool(chance[4] < 0.5)  # one kind of noise at a time: their sum looks like the first
    drawn = Degradation(
        reduction=_reduction(float(chance[7]), config.bicubic_probability),
        blur=float(chance[1]) * config.blur_sigma if chance[0] < config.blur_probability else 0.0,
        gaussian=0.0 if signal else strength,
        poisson=strength if signal else 0.0,
        quality=int(random.integers(low, high, endpoint=True)) * bool(chance[5] < config.jpeg_probability),
        half_chroma=bool(chance[6] < config.half_chroma_probability),
        noise_seed=int(random.integers(2**62)),
    )
    seed, chroma = drawn.noise_seed, config.half_chroma_probability
    processing = draw_processing(seed, config.processing, config.jpeg_quality, chroma)
    return Degradation(reduction=drawn.reduction) if processing.clean else replace(drawn, processing=processing)


def _reduction(chance: float, bicubic_probability: float) -> str:
    first, *others = REDUCTIONS
    if chance < bicubic_probability:
        return first
    return others[int(len(others) * (chance - bicubic_probability) / (1 - bicubic_probability))]


def degrade(high_res: Pixels, random: np.random.Generator, config: DegradationConfig) -> tuple[Pixels, Pixels]:
    """Make a pair of a patch.

    Args:
        high_res: (2H, 2W, 3) uint8.
        random: Seeded by (seed, step, index).
        config: Probabilities and strengths.

    Returns:
        low_res (H, W, 3) uint8, and high_res as it came.
    """
    return apply(high_res, draw(random, config)), high_res


def apply(high_res: Pixels, degradation: Degradation) -> Pixels:
    """Carry out what was drawn.

    Args:
        high_res: (sH, sW, 3) uint8, s being the scale.
        degradation: What to do.

    Returns:
        (H, W, 3) uint8.
    """
    processing = degradation.processing
    image = Image.fromarray(high_res)
    size = (image.width // degradation.scale, image.height // degradation.scale)
    if degradation.blur:
        image = image.filter(ImageFilter.GaussianBlur(degradation.blur))
    larger = processing.jpeg_scale > 1 and degradation.quality > 0
    low_res = _reduced_to_jpeg_size(image, size, degradation) if larger else _reduced(image, size, degradation)
    if degradation.gaussian or degradation.poisson:
        low_res = _noisy(low_res, degradation)
    if processing.sharpening:
        low_res = sharpened(low_res, processing)
    if not degradation.quality:
        return low_res
    low_res = compressed(low_res, degradation.quality, degradation.half_chroma)
    if larger:
        low_res = np.asarray(Image.fromarray(low_res).resize(size, _FILTERS["bicubic"]))
    if processing.second_quality:
        low_res = compressed(low_res, processing.second_quality, processing.second_half_chroma, processing.block_shift)
    return low_res


def turned(patch: Pixels, turn: int) -> Pixels:
    """Turn by quarter turns and mirror.

    Args:
        patch: (H, W, 3).
        turn: 0…7: quarter turns, mirrored from 4 on.

    Returns:
        A view of the same pixels in one of the eight positions.
    """
    quarters = np.rot90(patch, turn % 4)
    return quarters[:, ::-1] if turn >= 4 else quarters


def rescaled(patch: Pixels, side: int, random: np.random.Generator) -> Pixels:
    """Cut a square of any size out of a patch and reduce it, so that the same photo is met at many scales.

    Args:
        patch: (H, H, 3).
        side: What it is reduced to, pixels; a smaller patch comes back whole.
        random: Says how large the square is and where it lies.

    Returns:
        (side, side, 3), by Lanczos.
    """
    if len(patch) < side:
        return patch
    cut = int(random.integers(side, len(patch) + 1))
    top, left = (int(random.integers(len(patch) - cut + 1)) for _ in range(2))
    square = Image.fromarray(np.ascontiguousarray(patch[top : top + cut, left : left + cut]))
    return np.asarray(square.resize((side, side), Image.Resampling.LANCZOS))


def _reduced(image: Image.Image, size: tuple[int, int], degradation: Degradation) -> Pixels:
    if degradation.reduction == "linear_area":
        ((_, pixels),) = reductions_of(np.asarray(image), (degradation.scale,), 1)
        return pixels
    return np.asarray(image.resize(size, _FILTERS[degradation.reduction]))


def _reduced_to_jpeg_size(image: Image.Image, size: tuple[int, int], degradation: Degradation) -> Pixels:
    """Reduce to the larger size at which the picture is compressed, without linear light."""
    width, height = (round(side * degradation.processing.jpeg_scale) for side in size)
    return np.asarray(image.resize((width, height), _FILTERS.get(degradation.reduction, Image.Resampling.BOX)))


def _noisy(pixels: Pixels, degradation: Degradation) -> Pixels:
    strength = degradation.gaussian or degradation.poisson
    if degradation.processing.grain:
        return with_grain(pixels, degradation.processing, strength, degradation.noise_seed)
    values = pixels.astype(np.float32)
    noise = np.random.default_rng(degradation.noise_seed).standard_normal(pixels.shape, dtype=np.float32)
    if degradation.poisson:
        noise *= np.sqrt(values / 255)
    return np.clip(np.rint(values + np.float32(strength) * noise), 0, 255).astype(np.uint8)
