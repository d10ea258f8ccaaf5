"""What cameras, phones and the web do to a picture beyond `degrade`'s simple mix.

Grain as demosaicing leaves it, the halos of sharpening, JPEG at a larger size than the file has now, and JPEG once more
on another grid of blocks. Drawn from a seed of its own, so that what `degrade` draws does not depend on it.
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
LARGEST = 2.0  # times: how much larger a picture may have been when it was compressed
_NEIGHBOUR = 0.6  # largest share that a pixel's grain takes of each neighbour's
_SHARPENING = (0.2, 1.2)  # times the difference from the blurred picture
_RADIUS = (0.5, 1.5)  # pixels
_STREAM = 1  # keeps the draws apart from the noise that is made of the same seed


@dataclass(frozen=True)
class WearConfig:
    """How likely each wear is.

    Attributes:
        clean_probability: share of all patches that are reduced and nothing else.
        grain_probability: share of the noisy patches whose noise is a sensor's: partly growing with the light, partly
            the same in all colours, neighbours alike.
        sharpen_probability: share of the patches sharpened before they are compressed.
        resized_probability: share of the compressed patches that were larger when they were compressed.
        second_jpeg_probability: share of the compressed patches compressed once more, on another grid of blocks.
    """

    clean_probability: float = 0.0
    grain_probability: float = 0.0
    sharpen_probability: float = 0.0
    resized_probability: float = 0.0
    second_jpeg_probability: float = 0.0


@dataclass(frozen=True)
class Wear:
    """What was drawn for one patch.

    Attributes:
        clean: whether it is left as the reduction makes it.
        grain: whether its noise, if it has any, is a sensor's.
        neighbour: share that a pixel's grain takes of each neighbour's.
        colour: share of the grain's variance that each colour has for itself.
        signal: share of the grain's variance that grows with the light.
        sharpening: times the difference from the blurred picture that is added; 0 for none.
        radius: of that blur, pixels.
        larger: how many times larger both sides were when it was compressed.
        second_quality: of the second JPEG; 0 for none.
        second_half_chroma: whether that keeps colour at half size.
        shift: (rows, columns) by which that grid of blocks begins before the picture.
    """

    clean: bool = False
    grain: bool = False
    neighbour: float = 0.0
    colour: float = 1.0
    signal: float = 0.0
    sharpening: float = 0.0
    radius: float = 1.0
    larger: float = 1.0
    second_quality: int = 0
    second_half_chroma: bool = False
    shift: tuple[int, int] = (0, 0)


NONE = Wear()


def draw_wear(seed: int, config: WearConfig, quality: tuple[int, int], half_chroma_probability: float) -> Wear:
    """Draw one patch's wear.

    Args:
        seed: The patch's own.
        config: Probabilities.
        quality: Lowest and highest quality of the second JPEG.
        half_chroma_probability: Share of second JPEGs with colour at half size.

    Returns:
        What to do; NONE where every probability is 0.
    """
    if config == WearConfig():
        return NONE
    random = np.random.default_rng([seed, _STREAM])
    chance = random.random(12)
    second = chance[4] < config.second_jpeg_probability
    down, right = random.integers(BLOCK, size=2).tolist()
    return Wear(
        clean=bool(chance[0] < config.clean_probability),
        grain=bool(chance[1] < config.grain_probability),
        neighbour=_NEIGHBOUR * float(chance[5]),
        colour=float(chance[6]),
        signal=float(chance[7]),
        sharpening=_between(_SHARPENING, chance[8]) if chance[2] < config.sharpen_probability else 0.0,
        radius=_between(_RADIUS, chance[9]),
        larger=_between((1.0, LARGEST), chance[10]) if chance[3] < config.resized_probability else 1.0,
        second_quality=int(random.integers(*quality, endpoint=True)) if second else 0,
        second_half_chroma=bool(chance[11] < half_chroma_probability),
        shift=(down, right),
    )


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * float(share)


def grainy(pixels: Pixels, wear: Wear, strength: float, seed: int) -> Pixels:
    """Add a sensor's noise.

    Args:
        pixels: (H, W, 3) uint8.
        wear: Says of what kind.
        strength: Standard deviation at white, of 255.
        seed: Of the noise itself.

    Returns:
        (H, W, 3) uint8.
    """
    random = np.random.default_rng(seed)
    height, width, _ = pixels.shape
    own = random.standard_normal((height, width, 3), dtype=np.float32)
    common = random.standard_normal((height, width, 1), dtype=np.float32)
    field = np.sqrt(np.float32(wear.colour)) * own + np.sqrt(np.float32(1 - wear.colour)) * common
    values = pixels.astype(np.float32)
    deviation = np.float32(strength) * np.sqrt(1 - wear.signal + wear.signal * values / 255)
    noise = deviation * _alike(field, wear.neighbour)
    return np.clip(np.rint(values + noise), 0, 255).astype(np.uint8)


def sharpened(pixels: Pixels, wear: Wear) -> Pixels:
    """Return the picture with its difference from a blurred one added, as cameras do: edges get halos."""
    mask = ImageFilter.UnsharpMask(wear.radius, round(100 * wear.sharpening), 0)
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


def _alike(field: Field, neighbour: float) -> Field:
    """Let each value take a share of its neighbours', down and across; the standard deviation stays."""
    for axis in (0, 1):
        width = [(1, 1) if side == axis else (0, 0) for side in range(field.ndim)]
        wide = np.pad(field, width, mode="reflect")
        before, after = (np.take(wide, range(start, start + field.shape[axis]), axis) for start in (0, 2))
        field = ((field + neighbour * (before + after)) / np.sqrt(1 + 2 * neighbour**2)).astype(np.float32)
    return field
