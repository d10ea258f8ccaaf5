"""All patches in the device's memory, and batches made of them there: cut, turned, degraded.

What a batch holds depends on seed and step alone. The draws differ from the loader's (`dataset`): there are no files
and no workers here, and one gather does the work.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.config import TrainingConfig
from trainer.dataset import MARGIN, NEAR_MARGIN, Batch, degradation_of
from trainer.decoded import decode
from trainer.degradation.degrade import SCALE, draw
from trainer.degradation.device_degrade import degrade_batch
from trainer.patches import PATCH_SIZE

TURNS = 8
_JPEG_BLOCK = 8

Numbers = NDArray[np.int64]


class PatchBank:
    """Patches on a device, and the batches of a phase.

    Args:
        pictures: (N, 3, 256, 256) uint8, on the device.
        config: Says size, number, degradation and seed.
    """

    def __init__(self, pictures: Tensor, config: TrainingConfig) -> None:
        self.pictures = pictures
        self.config = config
        self.degradation = degradation_of(config)

    def batch(self, step: int) -> Batch:
        """Make the batch of a step.

        Args:
            step: Number of the optimizer step, from 0.

        Returns:
            low_res (N, 3, H, W) and high_res (N, 3, 2H, 2W), float32, 0…1, channels-last, on the device.
        """
        config, count = self.config, self.config.batch_size
        random = np.random.default_rng([config.seed, step])
        size, whole = config.patch_size, PATCH_SIZE // SCALE
        outer_size = min(whole, size + 2 * MARGIN)
        numbers = random.integers(len(self.pictures), size=count)
        turns = random.integers(TURNS, size=count)
        place = random.integers(whole - size + 1, size=(count, 2))
        # JPEG's blocks begin at the outer part's corner: their place within the pair is left to chance
        shift = random.integers(_JPEG_BLOCK, size=(count, 2)) if self.degradation.mode == "photo" else 0
        outer = np.clip(place - NEAR_MARGIN - shift, 0, whole - outer_size)
        drawn = [draw(item, self.degradation) for item in random.spawn(count)]  # one each, or they would be alike
        chosen = self._sent(np.column_stack((numbers, turns, outer * SCALE, place - outer)))
        high_res = _gathered(self.pictures, chosen[:, 0], chosen[:, 2:4], outer_size * SCALE, chosen[:, 1])
        low_res = degrade_batch(high_res, drawn)
        all_of_them = torch.arange(count, device=high_res.device)
        inner = chosen[:, 4:6]
        return (
            _floats(_gathered(low_res, all_of_them, inner, size)),
            _floats(_gathered(high_res, all_of_them, inner * SCALE, size * SCALE)),
        )

    def _sent(self, numbers: Numbers) -> Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(numbers))
        if self.pictures.is_cuda:
            return tensor.pin_memory().to(self.pictures.device, non_blocking=True)
        return tensor.to(self.pictures.device)


class Ahead:
    """Makes each step's batch while the device still learns from the one before.

    Args:
        bank: Makes the batches.
        first_step: The step to begin with.
    """

    def __init__(self, bank: PatchBank, first_step: int) -> None:
        self.bank = bank
        self.stream = _stream(bank.pictures.device)
        self.step = first_step
        self.next = self._made(first_step)

    def take(self, step: int) -> Batch:
        """Return a step's batch, as `PatchBank.batch` does; steps that follow each other cost no waiting."""
        if step != self.step:  # the training went back to a checkpoint
            self.step, self.next = step, self._made(step)
        batch = self.next
        if self.stream is not None:
            current = torch.cuda.current_stream(self.bank.pictures.device)
            current.wait_stream(self.stream)
            for side in batch:
                side.record_stream(current)
        self.step, self.next = step + 1, self._made(step + 1)
        return batch

    def _made(self, step: int) -> Batch:
        if self.stream is None:
            return self.bank.batch(step)
        with torch.cuda.stream(self.stream):
            return self.bank.batch(step)


def load_pictures(files: Sequence[Path], device: torch.device) -> Tensor:
    """Decode patches, several at a time, into one tensor.

    Args:
        files: PNG files of 256 × 256 pixels.
        device: Where the tensor goes.

    Returns:
        (N, 3, 256, 256) uint8.
    """
    pictures = np.empty((len(files), 3, PATCH_SIZE, PATCH_SIZE), np.uint8)

    def fill(number: int) -> None:
        pictures[number] = decode(files[number]).transpose(2, 0, 1)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(fill, range(len(files))))
    return torch.from_numpy(pictures).to(device)


def _stream(device: torch.device) -> torch.cuda.Stream | None:
    """A queue beside the one that the training fills; None where there are no queues."""
    return torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]


def _gathered(pictures: Tensor, numbers: Tensor, corners: Tensor, side: int, turns: Tensor | None = None) -> Tensor:
    """Cut a square from each of some pictures, each turned as a whole before.

    Args:
        pictures: (M, C, S, S).
        numbers: (N,) of the pictures.
        corners: (N, 2), row and column in the turned pictures.
        side: Of the squares.
        turns: (N,) 0…7: 1 turns rows round, 2 columns, 4 swaps both; None leaves all as they are.

    Returns:
        (N, C, side, side).
    """
    place = torch.arange(side, device=pictures.device)
    rows = (corners[:, 0, None] + place)[:, :, None].expand(-1, -1, side)
    columns = (corners[:, 1, None] + place)[:, None, :].expand(-1, side, -1)
    if turns is not None:
        last, turn = pictures.shape[-1] - 1, turns.view(-1, 1, 1)
        rows = torch.where(turn & 1 > 0, last - rows, rows)
        columns = torch.where(turn & 2 > 0, last - columns, columns)
        rows, columns = torch.where(turn & 4 > 0, columns, rows), torch.where(turn & 4 > 0, rows, columns)
    channels = torch.arange(pictures.shape[1], device=pictures.device).view(1, -1, 1, 1)
    return pictures[numbers.view(-1, 1, 1, 1), channels, rows[:, None], columns[:, None]]


def _floats(pictures: Tensor) -> Tensor:
    return pictures.to(torch.float32, memory_format=torch.channels_last).div_(255)
