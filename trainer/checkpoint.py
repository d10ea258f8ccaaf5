"""Checkpoints: everything that a training needs to go on exactly where it was, in one file, replaced atomically."""

from __future__ import annotations

import io
import json
import pickle
import time
from pathlib import Path
from typing import Any

import torch

from trainer.errors import CheckpointError
from trainer.replacing import flush_to_disk, replacing

FORMAT = "neural-upscale-checkpoint-1"
PARTS = b"neural-upscale-checkpoint-parts-1\n"


def save_checkpoint(state: dict[str, Any], path: Path, part_bytes: int = 0) -> None:
    """Write a checkpoint beside the old one, then rename it into place.

    Args:
        state: Tensors, numbers, strings, and dictionaries or lists of them.
        path: The file; its folder is created.
        part_bytes: Largest file; what is larger is kept in numbered parts, and `path` lists them. 0: one file.

    Raises:
        CheckpointError: The folder cannot be written; the old checkpoint is kept.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = _listed_parts(path)
        _write({"format": FORMAT, **state}, path, part_bytes)
        for part in before:
            part.unlink(missing_ok=True)
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
        parts = _listed_parts(path)
        source: Path | io.BytesIO = io.BytesIO(b"".join(part.read_bytes() for part in parts)) if parts else path
        state = torch.load(source, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path} is cut short or damaged ({str(error).splitlines()[0] if str(error) else 'empty'}); expected a "
            "complete checkpoint; delete it to start this phase again, or put an earlier copy in its place."
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no checkpoint of this trainer; expected {FORMAT}; choose another run folder.")
    return state


def _write(state: dict[str, Any], path: Path, part_bytes: int) -> None:
    parts: list[Path] = []
    try:
        with replacing(path) as sibling:
            torch.save(state, sibling)
            if part_bytes and sibling.stat().st_size > part_bytes:
                _split(sibling, path, part_bytes, parts)
    except BaseException:
        listed = _listed_parts(path)
        for part in parts:
            if part not in listed:
                part.unlink(missing_ok=True)
        raise


def _split(whole: Path, path: Path, part_bytes: int, parts: list[Path]) -> None:
    """Cut `whole` into parts beside `path` and leave the list of them in its place. Names are never used twice.

    Each of `parts` is added before it is written, so that the caller can remove it.
    """
    mark = f"{time.time_ns():x}"
    with whole.open("rb") as file:
        while content := file.read(part_bytes):
            parts.append(path.with_name(f"{path.name}.{mark}.{len(parts):03d}"))
            parts[-1].write_bytes(content)
            flush_to_disk(parts[-1])  # they must be there before the list is
    whole.write_bytes(PARTS + json.dumps([part.name for part in parts]).encode())


def _listed_parts(path: Path) -> list[Path]:
    """The parts that `path` lists; none where it is a whole checkpoint or absent."""
    if not path.exists():
        return []
    with path.open("rb") as file:
        if file.read(len(PARTS)) != PARTS:
            return []
        return [path.with_name(name) for name in json.loads(file.read())]
