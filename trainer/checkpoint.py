"""Checkpoints: everything that a training needs to go on exactly where it was, in one file, replaced atomically."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from trainer.errors import CheckpointError

FORMAT = "neural-upscale-checkpoint-1"


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint beside the old one, then rename it into place.

    Args:
        state: Tensors, numbers, strings, and dictionaries or lists of them.
        path: The file; its folder is created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sibling = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        torch.save({"format": FORMAT, **state}, sibling)
        sibling.replace(path)
    finally:
        sibling.unlink(missing_ok=True)


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
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path} is cut short or damaged ({str(error).partition(chr(10))[0]}); expected a complete checkpoint; "
            "delete it to start this phase again, or put an earlier copy in its place."
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of this trainer; expected {FORMAT}; choose another run folder.")
    return state
