"""A discriminator kept beside the weights file of the generator that it taught. No file of the server's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from trainer.errors import CheckpointError
from weights.atomic import atomic_write

SUFFIX = ".discriminator"  # the server takes what ends in .safetensors for a model


def discriminator_beside(weights: Path) -> Path:
    """Return where the discriminator of a weights file lies, whether it is there or not."""
    return weights.with_suffix(SUFFIX)


def save_discriminator(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a discriminator.

    Args:
        tensors: Its state.
        path: The file, in the form of safetensors; its folder is there.
    """
    kept = {name: each.detach().cpu().contiguous().clone() for name, each in tensors.items()}
    with atomic_write(path) as draft:
        safetensors.torch.save_file(kept, draft)


def load_discriminator(network: nn.Module, path: Path) -> None:
    """Read a discriminator.

    Args:
        network: Of the same kind and width; changed in place.
        path: The file.

    Raises:
        CheckpointError: It is damaged, or of another kind or width.
    """
    try:
        network.load_state_dict(safetensors.torch.load_file(path))
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(
            f"{path} does not hold the discriminator of the settings ({str(error).splitlines()[0]}); expected the one "
            "that was exported beside the weights file; set --discriminator and --discriminator-channels as in that "
            "training, or move the file away to begin with a new one."
        ) from error
