"""From patches on disk to batches: item `step` is the whole batch of that step, so that a training resumes exactly.

What a batch holds depends on (seed, step, index) alone, never on how many workers load or what was loaded before.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from trainer.config import TrainingConfig
from trainer.patches import PATCH_SIZE

SCALE = 2
CACHE_BYTES = 3 << 30

Pixels = NDArray[np.uint8]
Batch = tuple[Tensor, Tensor]


class PatchBatches(Dataset[Batch]):
    """Batches by step number.

    Attributes:
        files: PNG patches of 256×256 RGB pixels.
        config: Says size, number, degradation and seed.
    """

    def __init__(self, files: list[Path], config: TrainingConfig) -> None:
        self.files = files
        self.config = config
        self._decoded: dict[int, Pixels] = {}

    def __len__(self) -> int:
        return self.config.pixel_steps

    def __getitem__(self, step: int) -> Batch:
        """Make the batch of a step.

        Args:
            step: Number of the optimizer step, from 0.

        Returns:
            low_res (N, 3, H, W) and high_res (N, 3, 2H, 2W), uint8.
        """
        pairs = [self._pair(step, index) for index in range(self.config.batch_size)]
        low_res, high_res = (np.stack(side).transpose(0, 3, 1, 2) for side in zip(*pairs, strict=True))
        return torch.from_numpy(np.ascontiguousarray(low_res)), torch.from_numpy(np.ascontiguousarray(high_res))

    def _pair(self, step: int, index: int) -> tuple[Pixels, Pixels]:
        random = np.random.default_rng([self.config.seed, step, index])
        patch = self.patch(int(random.integers(len(self.files))))
        patch = _turned(patch, int(random.integers(8)))
        low_res, high_res = reduce_patch(patch)
        size = self.config.patch_size
        top, left = (int(random.integers(PATCH_SIZE // SCALE - size + 1)) for _ in range(2))
        rows, columns = slice(top, top + size), slice(left, left + size)
        high_rows, high_columns = (slice(SCALE * part.start, SCALE * part.stop) for part in (rows, columns))
        return low_res[rows, columns], high_res[high_rows, high_columns]

    def patch(self, number: int) -> Pixels:
        """Return a patch, (256, 256, 3) uint8; kept decoded while there is room."""
        if number in self._decoded:
            return self._decoded[number]
        with Image.open(self.files[number]) as image:
            patch: Pixels = np.asarray(image.convert("RGB"))
        if (len(self._decoded) + 1) * patch.nbytes <= CACHE_BYTES:
            self._decoded[number] = patch
        return patch


def reduce_patch(high_res: Pixels) -> tuple[Pixels, Pixels]:
    """Reduce by 2 with Pillow's BICUBIC, the classical benchmark's degradation.

    Args:
        high_res: (2H, 2W, 3) uint8.

    Returns:
        low_res (H, W, 3) and high_res, both uint8.
    """
    height, width = high_res.shape[0] // SCALE, high_res.shape[1] // SCALE
    image = Image.fromarray(high_res).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image), high_res


def _turned(patch: Pixels, turn: int) -> Pixels:
    turned = np.rot90(patch, turn % 4)
    return np.ascontiguousarray(turned[:, ::-1] if turn >= 4 else turned)


def batches(files: list[Path], config: TrainingConfig, first_step: int) -> Iterator[Batch]:
    """Load batches in the background, from a step on.

    Args:
        files: PNG patches.
        config: Says how many steps, and how many processes load.
        first_step: The step to begin with.

    Returns:
        An iterator over (low_res, high_res), uint8.
    """
    dataset = PatchBatches(files, config)
    return iter(
        DataLoader(
            dataset,
            batch_size=None,
            sampler=range(first_step, config.pixel_steps),
            num_workers=config.loader_workers,
            prefetch_factor=4 if config.loader_workers else None,
        )
    )
