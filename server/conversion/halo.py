"""How much context a network's tiles need: measured, because of most networks nobody can tell it beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

import weights

HALOS = (8, 16, 24, 32, 48, 64)  # even: networks that un-shuffle see pairs of pixels
ALLOWED = 0.5 / 255
SIDE = 128  # pixels of each photo
TILE = 48  # pixels; a multiple of the server's grain, and of no larger window
PLACES = ((0, 0), (48, 48), (80, 80))  # two corners, and one in the middle
BLENDED_HALO, BLEND = 48, 16  # where no halo is enough


@dataclass(frozen=True)
class Context:
    """What a tile of a network needs."""

    halo: int  # Pixels on each side, at the low resolution
    blend: int  # Pixels of them that fade into the neighbouring tile; 0 where tiles equal the whole
    error: float  # The largest difference between tiles and the whole that was measured, values 0…1


def measured_context(generator: weights.Generator) -> Context:
    """Find the smallest halo with which tiles equal the whole picture within half a level of 255, on four photos.

    Args:
        generator: Evaluation mode, float32, on the CPU.

    Returns:
        The halo and its error; where none of `HALOS` is enough, one whose tiles are to be blended.

    Raises:
        NotANetwork: What it makes of a photo is not finite.
    """
    pictures = photos()
    largest = _error(generator, pictures[:1], HALOS[-1])
    if largest > ALLOWED:  # most networks that see all of the picture end here, without trying every halo
        return Context(BLENDED_HALO, BLEND, largest)
    for halo in HALOS:
        error = _error(generator, pictures, halo)
        if error <= ALLOWED:
            return Context(halo, 0, error)
    return Context(BLENDED_HALO, BLEND, error)


def photos() -> list[Tensor]:
    """Return four photos, (1, 3, 128, 128) float32, 0…1 each."""
    with files("server.conversion").joinpath("photos.webp").open("rb") as file:
        pixels = np.asarray(Image.open(file).convert("RGB"), np.float32) / 255
    whole = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]
    return [whole[..., top : top + SIDE, left : left + SIDE] for top in (0, SIDE) for left in (0, SIDE)]


@torch.inference_mode()
def _error(generator: weights.Generator, pictures: list[Tensor], halo: int) -> float:
    """Return the largest difference of tiles to the whole; the first that is too large ends the search."""
    worst, scale = 0.0, generator.scale
    for picture in pictures:
        extended = functional.pad(picture, (halo,) * 4, mode="reflect")
        whole = weights.enlarge(generator, extended)
        if not bool(whole.isfinite().all()):
            raise weights.NotANetwork(
                "The network's result is not finite; expected a trained one; choose another file."
            )
        for top, left in PLACES:
            side = TILE + 2 * halo
            tile = weights.enlarge(generator, extended[..., top : top + side, left : left + side])
            inside = slice(halo * scale, (halo + TILE) * scale)
            rows, columns = (slice((at + halo) * scale, (at + halo + TILE) * scale) for at in (top, left))
            worst = max(worst, float((tile[..., inside, inside] - whole[..., rows, columns]).abs().max()))
            if worst > ALLOWED:
                return worst
    return worst
