"""What names one generator to run: of which files, in which state, blended how. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.client.protocol import SCALE
from server.pipeline.model_file import Stamp


@dataclass(frozen=True)
class ModelKey:
    """One generator to run: which files, in which state, blended how. Equal keys give equal pixels."""

    name: str  # the name the user knows it by: a file's, or a family's
    detail: float | None  # 0…1 for a family, in steps of 0.05; None for a single file
    halo: int  # pixels of context that its tiles need
    files: tuple[Path, ...]  # the weights files: one, or the corners that it lies between
    stamps: tuple[Stamp, ...]  # what the files' states were
    cleanup: float | None = None  # 0…1 for a family that has it, in steps of 0.25; else None
    is_periodic: bool = False  # whether its tiles are whole periods along the short side of a thin picture
    blend: int = 0  # pixels of the halo over which a tile fades into the one before it; 0 where tiles are exact
    scale: int = SCALE  # how many times as wide and high its result is
    is_foreign: bool = False  # whether another project's code runs it, which knows no periods

    @property
    def chosen(self) -> dict[str, Any]:
        """Its name, detail and cleanup, for `/v1/status` and the log."""
        return {"model": self.name, "detail": self.detail, "cleanup": self.cleanup}

    @property
    def label(self) -> str:
        """Its name with what was chosen, as `NAME@DETAIL` or `NAME@DETAIL@CLEANUP`, for `/v1/status`."""
        chosen = (self.name, self.detail, *(() if self.cleanup is None else (self.cleanup,)))
        return "@".join(str(each) for each in chosen)
