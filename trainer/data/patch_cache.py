"""All patches in the device's memory, where batches are cut from them: no loader, no copying at each step.

The batches are those that the loader makes with `device_degradation`: both draw from (seed, step, index) alone.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainer.config import TrainingConfig
from trainer.data.batches import RawBatch
from trainer.data.decoded_patches import decode
from trainer.data.degradation.degrade import Degradation
from trainer.data.pairs import Cut, degradation_of, draw_cut, scale_of, size_of, subset_of
from trainer.data.patch_set import PATCH_SIZE
from trainer.losses.consistency import TURNS


class PatchCache:
    """Patches on a device, and the batches of a phase.

    Args:
        files: PNG patches of 256×256 RGB pixels; 192 KiB of the device's memory each.
        config: Says size, number, degradation and seed.
        device: Where the patches are kept.
        first_index: Index of the batch's first patch; processes that train together take consecutive ones.
        steps: How many steps there are; None for the pixel phase's.
    """

    def __init__(
        self,
        files: list[Path],
        config: TrainingConfig,
        device: torch.device,
        first_index: int = 0,
        steps: int | None = None,
    ) -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            pictures = np.stack(list(pool.map(decode, [files[number] for number in subset_of(len(files), config)])))
        self.pictures = torch.from_numpy(pictures).to(device)
        self.config = config
        self.steps = steps or config.pixel_steps
        self.degradation = degradation_of(config)
        self.indices = range(first_index, first_index + config.batch_size)

    def batch(self, step: int) -> RawBatch:
        """Cut the batch of a step, on the device.

        Args:
            step: Number of the optimizer step, from 0.

        Returns:
            What `on_device` makes a batch of.
        """
        drawn = [self._draw(step, index) for index in self.indices]
        high_res = torch.stack([patch for patch, _, _ in drawn]).permute(0, 3, 1, 2)
        size = size_of(step, self.steps, self.config)
        return RawBatch(high_res, [cut.inner for _, cut, _ in drawn], [what for _, _, what in drawn], size)

    def _draw(self, step: int, index: int) -> tuple[Tensor, Cut, Degradation]:
        random, scale = np.random.default_rng([self.config.seed, step, index]), scale_of(step, self.config)
        patch = self.pictures[int(random.integers(len(self.pictures)))]
        turn = int(random.integers(TURNS))
        size = size_of(step, self.steps, self.config)
        cut, degradation = draw_cut(random, PATCH_SIZE, scale, size, self.degradation)
        patch = torch.rot90(patch, turn % 4)
        if turn >= TURNS // 2:
            patch = patch.flip(1)
        patch = patch[cut.pixels(0, scale), cut.pixels(1, scale)]
        if self.config.permute_probability and random.random() < self.config.permute_probability:
            patch = patch[..., torch.from_numpy(random.permutation(3))]
        return patch, cut, degradation
