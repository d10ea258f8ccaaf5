"""Turns a device's refusal of memory into a sentence with the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trainer.config import TrainingConfig
from trainer.errors import TrainingError

# torch has a class of its own for CUDA and XPU only; CPUs and MPS raise a RuntimeError with one of these
_MESSAGES = ("out of memory", "can't allocate memory", "not enough memory")


@contextmanager
def explained_out_of_memory(config: TrainingConfig, device: torch.device) -> Iterator[None]:
    """Explain what to do when the memory does not suffice.

    Args:
        config: The settings of this phase.
        device: Where it trains.

    Yields:
        Nothing.

    Raises:
        TrainingError: Memory could not be allocated.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(
            f"The memory of {device} does not suffice for one patch of {max(config.patch_size)} pixels at a time; "
            "expected room for one. Train with a smaller --patch-size (--adversarial-patch-size in the adversarial "
            "phase) or --generator, in another run folder; or, where several processes train together, with "
            f"--accumulate {config.batch_size}."
        ) from error


def is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """Return whether an error says that memory could not be allocated."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(message in str(error).lower() for message in _MESSAGES)


def release_memory(device: torch.device) -> None:
    """Hand back what the allocator of a GPU keeps for later, so that smaller pieces fit."""
    if device.type in ("cuda", "mps", "xpu"):
        getattr(torch, device.type).empty_cache()
