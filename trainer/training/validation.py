"""Measures a generator while it trains: patches of other photos, reduced, enlarged, compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from trainer.config import TrainingConfig
from trainer.data.batches import PatchBatches, reduce_patch
from trainer.losses.perceptual import PerceptualLoss
from trainer.metrics.pictures import enlarge_pixels
from trainer.metrics.psnr_ssim import luma_psnr, luma_ssim
from weights import Generator

Pixels = NDArray[np.uint8]
STRIPS = 4
_STRIP_SIDE = 128


@dataclass(frozen=True)
class Validation:
    """What was measured."""

    psnr: float  # Mean Y-PSNR, dB; NaN without patches
    ssim: float  # Mean Y-SSIM; NaN without patches
    perceptual_loss: float | None  # Its mean, layers weighed as in training; None without a feature network
    strips: list[Pixels]  # Original | bicubic | generator of some patches, (H, 3W, 3) uint8 each


class Validator:
    """Measures generators on the same patches each time.

    Args:
        files: Validation patches.
        config: Says how many of them are measured.
        device: Where to enlarge.
        perceptual: The perceptual loss, where there is one.
    """

    def __init__(
        self, files: Sequence[Path], config: TrainingConfig, device: torch.device, perceptual: PerceptualLoss | None
    ) -> None:
        self.reader = PatchBatches(evenly_spread(files, config.validation_patches), config)
        self.device = device
        self.perceptual = perceptual

    @torch.no_grad()
    def __call__(self, generator: Generator) -> Validation:
        """Measure a generator.

        Args:
            generator: Plain, evaluation mode; moved to the validator's device.

        Returns:
            The measures.
        """
        generator = generator.to(self.device)
        scores: list[tuple[float, float]] = []
        losses: list[float] = []
        strips: list[Pixels] = []
        for number in range(len(self.reader.files)):
            low_res, high_res = reduce_patch(self.reader.patch(number))
            ours = enlarge_pixels(generator, low_res)
            scores.append((luma_psnr(ours, high_res), luma_ssim(ours, high_res)))
            if self.perceptual is not None:
                losses.append(float(self.perceptual(*(self._tensor(side) for side in (ours, high_res)))))
            if len(strips) < STRIPS:
                strips.append(strip(high_res, low_res, ours))
        psnr, ssim = np.mean(scores, axis=0).tolist() if scores else (float("nan"),) * 2
        return Validation(psnr, ssim, float(np.mean(losses)) if losses else None, strips)

    def _tensor(self, picture: Pixels) -> torch.Tensor:
        return torch.from_numpy(np.array(picture)).to(self.device).permute(2, 0, 1)[None].float().div_(255)


def evenly_spread(files: Sequence[Path], count: int) -> list[Path]:
    """Return at most `count` of the files, at even distances."""
    return list(files[:: max(1, len(files) // count)][:count])


def strip(high_res: Pixels, low_res: Pixels, generated: Pixels) -> Pixels:
    """Put the middles of three pictures side by side.

    Args:
        high_res: (2H, 2W, 3), the original.
        low_res: (H, W, 3); it is shown enlarged bicubically.
        generated: (2H, 2W, 3).

    Returns:
        Original | bicubic | generator, at most 128 pixels high.
    """
    height, width = high_res.shape[:2]
    plain = np.asarray(Image.fromarray(low_res).resize((width, height), Image.Resampling.BICUBIC))
    top, left = max(0, (height - _STRIP_SIDE) // 2), max(0, (width - _STRIP_SIDE) // 2)
    inner = (slice(top, top + _STRIP_SIDE), slice(left, left + _STRIP_SIDE))
    return np.concatenate([picture[inner] for picture in (high_res, plain, generated)], axis=1)
