"""Checkpoints: everything that a training needs to go on exactly where it was, in one file, replaced atomically."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from trainer.errors import CheckpointError
from weights.atomic import atomic_write

FORMAT = "neural-upscale-checkpoint-1"


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint beside the old one, then rename it into place.

    Args:
        state: Tensors, numbers, strings, and dictionaries or lists of them.
        path: The file; its folder is created.

    Raises:
        CheckpointError: The folder cannot be written; the old checkpoint is kept.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as sibling:
            torch.save({"format": FORMAT, **state}, sibling)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        raise CheckpointError(
            f"{path} cannot be written ({str(error).splitlines()[0]}); the last checkpoint there is kept; "
            "make room, then run the same command again."
        ) from error


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint; only tensors and plain values are accepted.

    Args:
        path: The file.

    Returns:
        What was saved, or None where there is no file.

    Raises:
        CheckpointError: The file is cut short, damaged, or not a checkpoint of this program.
    """
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path} is cut short or damaged ({str(error).splitlines()[0] if str(error) else 'empty'}); expected a "
            "complete checkpoint; delete it to start this phase again, or put an earlier copy in its place."
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of this trainer; expected {FORMAT}; choose another run folder.")
    return state
