"""What the trainer's tests share: small patches, small settings."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from server.images.formats import png16
from trainer.config import TrainingConfig, config_of
from trainer.data.batches import Batch, RawBatch, on_device
from trainer.data.patch_set import PatchSet
from trainer.training.phase import Phase

TINY: dict[str, Any] = {
    "generator": {"features": 8, "layers": 2},
    "patch_size": 16,
    "batch_size": 2,
    "warm_up_steps": 2,
    "loader_workers": 0,
    "validation_patches": 2,
    "perceptual_network": "none",
    "discriminator_channels": 4,
    "adversarial_steps": 4,
    "precision": "float32",
    "convolutions": "torch",  # the same to the bit with and without a compiler
}


def deep_png(samples: np.ndarray) -> bytes:
    """Encode (H, W, 3 or 4) uint16 as PNG, which Pillow cannot."""
    file = io.BytesIO()
    png16.write(file, samples, [])
    return file.getvalue()


def tiny(**values: object) -> TrainingConfig:
    """Settings that train in milliseconds."""
    return config_of({**TINY, **values})


def take_step(phase: Phase, batch: Batch | RawBatch) -> dict[str, float]:
    """Make one step as the loop does, of a batch as it was loaded or as it lies on the device."""
    if isinstance(batch, RawBatch) or not batch[0].is_floating_point():
        batch = on_device(batch, phase.device)
    phase.set_learning_rates()
    losses = {name: float(value) for name, value in phase.train_step(batch).items()}
    phase.update_average()
    phase.step += 1
    return losses


@pytest.fixture
def patch_set(tmp_path: Path) -> PatchSet:
    """Six patches of discs, sharp enough that bicubic loses something."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:256, 0:256]
    files = []
    for number in range(6):
        picture = np.zeros((256, 256, 3), np.uint8)
        for _ in range(60):
            row, column, radius = random.integers(0, 256), random.integers(0, 256), random.integers(4, 24)
            inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
            picture[inside] = random.integers(0, 256, 3)
        files.append(tmp_path / f"{number}.png")
        Image.fromarray(picture).save(files[-1])
    return PatchSet(tmp_path, files[:4], files[4:], "hash-of-six", {})
