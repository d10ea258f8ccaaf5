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
        if not _is_out_of_memory(error):
            raise
        raise TrainingError(
            f"The memory of {device} does not suffice for {config.batch_size} patches of {config.patch_size} pixels in "
            f"{config.accumulate} part(s); expected room for one part. Train with --accumulate {2 * config.accumulate} "
            f"for about half of the memory, or with less of --batch-size and --patch-size "
            f"(--adversarial-batch-size and --adversarial-patch-size in the adversarial phase); a run folder with a "
            f"checkpoint needs the settings it has, so name another one then."
        ) from error


def _is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(message in str(error).lower() for message in _MESSAGES)
