"""Finds a learning rate: a few steps whose rate rises until the loss does too. After Smith 2017, "Cyclical learning
rates for training neural networks". Nothing is kept of what is trained.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from trainer.config import TrainingConfig
from trainer.data.batches import batches, on_device
from trainer.data.decoded_patches import find_decoded
from trainer.data.patch_set import PatchSet
from trainer.losses.pixel_losses import weighted
from trainer.optim.optimizers import set_learning_rate
from trainer.training.pixel_step import PixelPhase
from weights import Generator

STEPS = 120
LOWEST, HIGHEST = 1e-6, 1.0
_SMOOTHING = 0.85  # share of the running mean that is kept
_BROKEN = 2.0  # times the least loss, at which there is nothing more to learn
_ROWS = 12
_MARGIN = 10.0  # by which the proposal lies below the rate of the least loss


def range_test(
    patch_set: PatchSet, config: TrainingConfig, device: torch.device, start: Generator | None = None
) -> list[tuple[float, float]]:
    """Train the pixel phase with a rate that rises from 1e-6 to 1.

    Args:
        patch_set: What to learn from.
        config: The settings; their rates and their schedule are not used.
        device: Where to train.
        start: A plain generator to begin with; None for a new one.

    Returns:
        Rate and smoothed loss of each step, the loss as a multiple of what it was untrained on the same batch; fewer
        than 120 where the training broke down.
    """
    phase = PixelPhase(config, device, start=start)
    found: list[tuple[float, float]] = []
    mean, least = 0.0, math.inf
    for rate, batch in zip(
        rates(), batches(patch_set.train, config, 0, STEPS, 0, find_decoded(patch_set)), strict=True
    ):
        set_learning_rate(phase.optimizer, rate)
        low_res, high_res = on_device(batch, device)
        loss = float(phase.train_step((low_res, high_res))["loss"])
        phase.step += 1
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss / _untrained_loss(phase, low_res, high_res)
        smoothed = mean / (1 - _SMOOTHING**phase.step)
        if not smoothed < _BROKEN * least:
            break
        found.append((rate, smoothed))
        least = min(least, smoothed)
    return found


@torch.no_grad()
def _untrained_loss(phase: PixelPhase, low_res: Tensor, high_res: Tensor) -> float:
    """Return the loss of the average, which never follows here: batches differ more than rates do."""
    loss, _ = weighted(phase.enlarged_by_average(low_res), high_res, phase.config.loss_weights)
    return float(loss)


def rates() -> Iterator[float]:
    """Yield a rate for each step, at even distances of their logarithms."""
    for step in range(STEPS):
        yield LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))


def proposal(found: list[tuple[float, float]]) -> float:
    """Return a tenth of the rate at which the loss was least, to one digit."""
    rate = min(found, key=lambda pair: pair[1])[0] / _MARGIN
    unit = 10.0 ** math.floor(math.log10(rate))
    return round(rate / unit) * unit


def table(found: list[tuple[float, float]]) -> str:
    """Return some of the rates with their losses, a line each, and what is proposed."""
    rows = found[:: max(1, len(found) // _ROWS)]
    lines = ["    rate     loss"]
    lines += [f"{rate:8.1e} {loss:8.4f}" for rate, loss in rows]
    return "\n".join([*lines, f"proposed: --learning-rate {proposal(found):g}"])
