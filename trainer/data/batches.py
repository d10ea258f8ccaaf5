"""From patches on disk to batches: item `step` is the whole batch of that step, so that a training resumes exactly.

What a batch holds depends on (seed, step, index) alone, never on how many workers load or what was loaded before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from trainer.config import TrainingConfig
from trainer.data.decoded_patches import PATCH_BYTES, decode, open_decoded
from trainer.data.degradation.degrade import Degradation, apply, rescaled, turned
from trainer.data.degradation.device_degrade import degrade_batch
from trainer.data.pairs import MARGIN, Cut, degradation_of, draw_cut, scale_of, size_of, subset_of

CACHE_BYTES = 3 << 30  # of patches that a process keeps where there is no file of decoded ones

Pixels = NDArray[np.uint8]
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class RawBatch:
    """A batch whose low-resolution side is made on the device."""

    high_res: Tensor  # (N, 3, H, W) uint8, with margins
    corners: list[tuple[int, int]]  # (row, column) of each patch inside its margins, low-resolution pixels
    degradations: list[Degradation]  # What to do with each
    size: int  # Low-resolution pixels per side, without margins


class PatchBatches(Dataset[Batch | RawBatch]):
    """Batches by step number.

    Args:
        files: PNG patches of 256×256 RGB pixels.
        config: Says size, number, degradation and seed.
        first_index: Index of the batch's first patch; processes that train together take consecutive ones.
        steps: How many steps there are; None for the pixel phase's.
        decoded: File of the same patches decoded, see `decoded_patches`; None decodes each where it is met first.
    """

    def __init__(
        self,
        files: list[Path],
        config: TrainingConfig,
        first_index: int = 0,
        steps: int | None = None,
        decoded: Path | None = None,
    ) -> None:
        self.files = files
        self.decoded = decoded
        self.config = config
        self.first_index = first_index
        self.steps = steps or config.pixel_steps
        self.degradation = degradation_of(config)
        self.numbers = subset_of(len(files), config)
        self._kept: dict[int, Pixels] = {}
        self._mapped: Pixels | None = None  # each process maps the file itself

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch | RawBatch:
        """Make the batch of a step.

        Args:
            step: Number of the optimizer step, from 0.

        Returns:
            low_res (N, 3, H, W) and high_res (N, 3, sH, sW), uint8; or what the device makes them of.
        """
        size = size_of(step, self.steps, self.config)
        indices = range(self.first_index, self.first_index + self.config.batch_size)
        drawn = [self._draw(step, index) for index in indices]
        if self.config.device_degradation:
            high_res = _stacked([patch for patch, _, _ in drawn])
            return RawBatch(high_res, [cut.inner for _, cut, _ in drawn], [what for _, _, what in drawn], size)
        pairs = [self._pair(patch, cut, what, size) for patch, cut, what in drawn]
        return _stacked([low_res for low_res, _ in pairs]), _stacked([high_res for _, high_res in pairs])

    def _draw(self, step: int, index: int) -> tuple[Pixels, Cut, Degradation]:
        """Draw a patch with its margins, the place of the pair in it, and its degradation."""
        random = np.random.default_rng([self.config.seed, step, index])
        patch = turned(self.patch(self.numbers[int(random.integers(len(self.numbers)))]), int(random.integers(8)))
        scale, size = scale_of(step, self.config), size_of(step, self.steps, self.config)
        if self.config.rescale_probability and random.random() < self.config.rescale_probability:
            patch = rescaled(patch, scale * (size + 2 * MARGIN), random)
        cut, degradation = draw_cut(random, len(patch), scale, size, self.degradation)
        patch = patch[cut.pixels(0, scale), cut.pixels(1, scale)]
        if self.config.permute_probability and random.random() < self.config.permute_probability:
            patch = patch[..., random.permutation(3)]
        return np.ascontiguousarray(patch), cut, degradation

    @staticmethod
    def _pair(patch: Pixels, cut: Cut, degradation: Degradation, size: int) -> tuple[Pixels, Pixels]:
        low_res, scale = apply(patch, degradation), degradation.scale
        rows, columns = (slice(start, start + size) for start in cut.inner)
        high_rows, high_columns = (slice(scale * part.start, scale * part.stop) for part in (rows, columns))
        return low_res[rows, columns], patch[high_rows, high_columns]

    def patch(self, number: int) -> Pixels:
        """Return a patch, (256, 256, 3) uint8, read only."""
        if self.decoded is not None:
            if self._mapped is None:
                self._mapped = open_decoded(self.decoded)
            mapped: Pixels = self._mapped[number]
            return mapped
        if number in self._kept:
            return self._kept[number]
        patch = decode(self.files[number])
        if (len(self._kept) + 1) * PATCH_BYTES <= CACHE_BYTES:
            self._kept[number] = patch
        return patch


def reduce_patch(high_res: Pixels) -> tuple[Pixels, Pixels]:
    """Reduce by 2 with Pillow's BICUBIC, the classical benchmark's degradation.

    Args:
        high_res: (2H, 2W, 3) uint8.

    Returns:
        low_res (H, W, 3) and high_res, both uint8.
    """
    return apply(high_res, Degradation()), high_res


def on_device(batch: Batch | RawBatch, device: torch.device) -> Batch:
    """Bring a batch to the device; make its low-resolution side there where that is asked for.

    Args:
        batch: As loaded.
        device: Where to.

    Returns:
        low_res (N, 3, H, W) and high_res (N, 3, sH, sW), float32, 0…1, channels-last.
    """
    if isinstance(batch, RawBatch):
        high_res = batch.high_res.to(device, non_blocking=True)
        scale, size = batch.degradations[0].scale, batch.size
        low_res = degrade_batch(high_res, batch.degradations)
        sides = (_cut_out(low_res, batch.corners, size, 1), _cut_out(high_res, batch.corners, size, scale))
    else:
        sides = batch
    low_res, high_res = (
        side.to(device, non_blocking=True).to(torch.float32, memory_format=torch.channels_last).div_(255)
        for side in sides
    )
    return low_res, high_res


def batches(
    files: list[Path],
    config: TrainingConfig,
    first_step: int,
    steps: int | None = None,
    first_index: int = 0,
    decoded: Path | None = None,
) -> Iterator[Batch | RawBatch]:
    """Load batches in the background, from a step on.

    Args:
        files: PNG patches.
        config: Says how many processes load.
        first_step: The step to begin with.
        steps: The step to end before; None for the pixel phase's.
        first_index: Index of each batch's first patch.
        decoded: File of the same patches decoded, where there is one.

    Returns:
        An iterator over the batches.
    """
    dataset = PatchBatches(files, config, first_index, steps, decoded)
    return iter(
        DataLoader(
            dataset,
            batch_size=None,
            sampler=range(first_step, dataset.steps),
            num_workers=config.loader_workers,
            prefetch_factor=4 if config.loader_workers else None,
            pin_memory=torch.cuda.is_available(),  # so that copying to the device waits for nothing
        )
    )


def _stacked(pictures: list[Pixels]) -> Tensor:
    """(N, 3, H, W), channels-last as the pictures are: nothing has to be moved about, here or on the device."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def _cut_out(pictures: Tensor, corners: list[tuple[int, int]], size: int, scale: int) -> Tensor:
    side = size * scale
    parts = [
        picture[:, row * scale : row * scale + side, column * scale : column * scale + side]
        for picture, (row, column) in zip(pictures, corners, strict=True)
    ]
    return torch.stack(parts)
