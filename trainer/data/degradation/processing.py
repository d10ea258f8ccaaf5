"""What cameras, phones and web sites do to a picture beyond blur, reduction, white noise and one JPEG.

There is noise that demosaicing has correlated, the halos of sharpening, JPEG at a larger size than the file has now,
and a second JPEG on another grid of blocks. It is drawn from a seed of its own, so that `degrade` draws the same
without it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Pixels = npt.NDArray[np.uint8]
Field = npt.NDArray[np.float32]

BLOCK = 8  # pixels per side of JPEG's blocks
LARGEST_JPEG_SCALE = 2.0  # how many times larger a picture may have been when it was compressed
_NEIGHBOUR_SHARE = 0.6  # largest share of each neighbour's noise in a pixel's
_SHARPENING = (0.2, 1.2)  # times the difference from the blurred picture
_RADIUS = (0.5, 1.5)  # pixels
_STREAM = 1  # keeps these draws independent of the noise, which has the same seed


@dataclass(frozen=True)
class ProcessingConfig:
    """How likely each step is."""

    clean_probability: float = 0.0  # share of all patches that are reduced and nothing else
    # share of the noisy patches whose noise is a sensor's, which grows with the light, is partly the same in all
    # colours and is correlated between neighbours
    grain_probability: float = 0.0
    sharpen_probability: float = 0.0  # share of the patches that are sharpened before they are compressed
    resized_probability: float = 0.0  # share of the compressed patches that are larger when they are compressed
    # share of the compressed patches that are compressed again, on another grid of blocks
    second_jpeg_probability: float = 0.0


@dataclass(frozen=True)
class Processing:
    """What was drawn for one patch."""

    clean: bool = False  # whether the patch is reduced and nothing else
    grain: bool = False  # whether its noise, if it has any, is a sensor's
    neighbour_share: float = 0.0  # share of each neighbour's noise in a pixel's
    colour_share: float = 1.0  # share of the noise's variance that is independent in each colour
    signal_share: float = 0.0  # share of the noise's variance that grows with the light
    sharpening: float = 0.0  # factor of the difference from the blurred picture that is added; 0 for none
    sharpening_radius: float = 1.0  # of that blur, pixels
    jpeg_scale: float = 1.0  # how many times larger both sides are when the patch is compressed
    second_quality: int = 0  # of the second JPEG; 0 for none
    second_half_chroma: bool = False  # whether the second JPEG keeps colour at half size
    # (rows, columns) by which the second JPEG's grid of blocks begins before the picture
    block_shift: tuple[int, int] = (0, 0)


UNPROCESSED = Processing()


def draw_processing(
    seed: int, config: ProcessingConfig, quality: tuple[int, int], half_chroma_probability: float
) -> Processing:
    """Draw what happens to one patch.

    Args:
        seed: Of this patch.
        config: Probabilities.
        quality: Lowest and highest quality of the second JPEG.
        half_chroma_probability: Share of second JPEGs with colour at half size.

    Returns:
        What to do; UNPROCESSED where every probability is 0.
    """
    if config == ProcessingConfig():
        return UNPROCESSED
    random = np.random.default_rng([seed, _STREAM])
    chance = random.random(12)
    second = chance[4] < config.second_jpeg_probability
    down, right = random.integers(BLOCK, size=2).tolist()
    return Processing(
        clean=bool(chance[0] < config.clean_probability),
        grain=bool(chance[1] < config.grain_probability),
        neighbour_share=_NEIGHBOUR_SHARE * float(chance[5]),
        colour_share=float(chance[6]),
        signal_share=float(chance[7]),
        sharpening=_between(_SHARPENING, chance[8]) if chance[2] < config.sharpen_probability else 0.0,
        sharpening_radius=_between(_RADIUS, chance[9]),
        jpeg_scale=_between((1.0, LARGEST_JPEG_SCALE), chance[10]) if chance[3] < config.resized_probability else 1.0,
        second_quality=int(random.integers(*quality, endpoint=True)) if second else 0,
        second_half_chroma=bool(chance[11] < half_chroma_probability),
        block_shift=(down, right),
    )


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * float(share)


def with_grain(pixels: Pixels, processing: Processing, strength: float, seed: int) -> Pixels:
    """Add the noise of a sensor after demosaicing.

    Args:
        pixels: (H, W, 3) uint8.
        processing: Its correlation, colour and dependence on the light.
        strength: Standard deviation at white, of 255.
        seed: Of the noise itself.

    Returns:
        (H, W, 3) uint8.
    """
    random = np.random.default_rng(seed)
    height, width, _ = pixels.shape
    own = random.standard_normal((height, width, 3), dtype=np.float32)
    shared = random.standard_normal((height, width, 1), dtype=np.float32)
    independent, common = np.float32(processing.colour_share), np.float32(1 - processing.colour_share)
    field = np.sqrt(independent) * own + np.sqrt(common) * shared
    values = pixels.astype(np.float32)
    deviation = np.float32(strength) * np.sqrt(1 - processing.signal_share + processing.signal_share * values / 255)
    noise = deviation * _correlated(field, processing.neighbour_share)
    return np.clip(np.rint(values + noise), 0, 255).astype(np.uint8)


def sharpened(pixels: Pixels, processing: Processing) -> Pixels:
    """Return the picture after unsharp masking, which gives edges halos."""
    mask = ImageFilter.UnsharpMask(processing.sharpening_radius, round(100 * processing.sharpening), 0)
    return np.asarray(Image.fromarray(pixels).filter(mask))


def compressed(pixels: Pixels, quality: int, half_chroma: bool, shift: tuple[int, int] = (0, 0)) -> Pixels:
    """Compress as JPEG and decode again.

    Args:
        pixels: (H, W, 3) uint8.
        quality: On libjpeg's scale.
        half_chroma: Whether colour is kept at half size (4:2:0; else 4:4:4).
        shift: (rows, columns) by which the grid of blocks begins before the picture; the edge is repeated there.

    Returns:
        (H, W, 3) uint8.
    """
    down, right = shift
    whole = np.pad(pixels, ((down, 0), (right, 0), (0, 0)), mode="edge") if any(shift) else pixels
    buffer = io.BytesIO()
    Image.fromarray(whole).save(buffer, "JPEG", quality=quality, subsampling=2 if half_chroma else 0)
    return np.asarray(Image.open(buffer))[down:, right:]


def _correlated(field: Field, neighbour: float) -> Field:
    """Add a share of its neighbours to each value, down and across, and keep the standard deviation."""
    for axis in (0, 1):
        width = [(1, 1) if side == axis else (0, 0) for side in range(field.ndim)]
        wide = np.pad(field, width, mode="reflect")
        before, after = (np.take(wide, range(start, start + field.shape[axis]), axis) for start in (0, 2))
        field = ((field + neighbour * (before + after)) / np.sqrt(1 + 2 * neighbour**2)).astype(np.float32)
    return field
