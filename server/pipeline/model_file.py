"""One weights file as the models' store knows it: its state and what it says about itself, or why it is of no use."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from server.pipeline.model_names import AUTO, LONGEST_NAME, PUNCTUATION, is_model_name

if TYPE_CHECKING:
    from weights import WeightsMetadata

LONGEST_FAULT = 400  # characters
Stamp = tuple[int, int, int]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelFile:
    """A weights file."""

    path: Path  # where it lies
    stamp: Stamp  # its state when it was looked at
    metadata: WeightsMetadata | None  # what it says about itself; None where it cannot be used
    fault: str  # why it cannot be used, a sentence; empty where it can


def stamp_of(path: Path) -> Stamp:
    """Return what distinguishes a file's state from an earlier one."""
    state = path.stat()
    return state.st_mtime_ns, state.st_size, state.st_ino


def examined(path: Path, stamp: Stamp) -> ModelFile:
    """Read what a file says about itself; whatever is wrong with it is told of this file alone."""
    from weights import SCALE, read_metadata
    from weights.generators.foreign import SCALES, has_library, missing_library

    if not is_model_name(path.stem) or path.stem == AUTO:
        told = f"expected letters and digits, {PUNCTUATION!r} between them, at most {LONGEST_NAME}, not {AUTO!r}"
        return ModelFile(path, stamp, None, f"The file's name is no model's ({told}); rename it.")
    try:
        metadata = read_metadata(path)
    except Exception as fault:  # noqa: BLE001 (files of anybody; one that was not foreseen must not hide the others)
        return ModelFile(path, stamp, None, reason_of(path, fault))
    if metadata.scale not in (SCALES if metadata.is_foreign else (SCALE,)):
        return ModelFile(path, stamp, None, f"{path.name} enlarges ×{metadata.scale}; expected ×2; use another file.")
    if metadata.is_foreign and not has_library():
        return ModelFile(path, stamp, None, str(missing_library(path.name)))
    return ModelFile(path, stamp, metadata, "")


def reason_of(path: Path, fault: Exception) -> str:
    """Return a sentence about a file that cannot be used; one that nobody foresaw is logged whole."""
    from weights import WeightsError

    foreseen = isinstance(fault, (WeightsError, OSError))
    log.warning(
        "weights file cannot be used",
        extra={"file": path.name, "fault": str(fault)[:LONGEST_FAULT]}, exc_info=None if foreseen else fault,
    )  # fmt: skip
    return str(fault)[:LONGEST_FAULT] if foreseen else f"{path.name} cannot be read ({fault!r})"[:LONGEST_FAULT]
