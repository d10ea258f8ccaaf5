"""A set of patches on disk, as the slicer leaves it: two splits, numbered PNG files, one manifest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import PatchSetError

MANIFEST = "manifest.json"
FORMAT = "neural-upscale-patches-1"
PATCH_SIZE = 256
SPLITS = ("train", "validation")


def patch_path(folder: Path, split: str, number: int) -> Path:
    """Return the path of a patch by its number; a folder holds a thousand."""
    return folder / split / f"{number // 1000:03d}" / f"{number:06d}.png"


@dataclass(frozen=True)
class PatchSet:
    """The patches of both splits."""

    folder: Path  # the folder that holds the manifest
    train: list[Path]  # PNG files of 256 × 256 pixels, RGB, to learn from
    validation: list[Path]  # the same, from other photos, to measure by
    hash: str  # SHA-256 (hexadecimal) over every patch's split and pixels
    manifest: dict[str, Any]  # all that the slicer recorded: settings, photos, skipped files

    @classmethod
    def load(cls, folder: Path) -> PatchSet:
        """Read a set of patches.

        Args:
            folder: a folder that `slice_photos` has finished.

        Returns:
            The set; the files themselves are not opened.

        Raises:
            PatchSetError: the folder has no readable manifest, or its first or last files are missing.
        """
        manifest = read_manifest(folder)
        if manifest is None:
            raise PatchSetError(
                f"{folder} holds no finished patches ({MANIFEST} is missing); "
                f"run: python -m trainer slice PHOTOS --out {folder}"
            )
        counts = manifest["counts"]
        splits = {split: [patch_path(folder, split, n) for n in range(int(counts[split]))] for split in SPLITS}
        for files in splits.values():
            for file in files[:1] + files[-1:]:
                if not file.is_file():
                    raise PatchSetError(f"{file} is missing although {MANIFEST} lists it; slice the photos again")
        return cls(folder, splits["train"], splits["validation"], str(manifest["hash"]), manifest)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Read a folder's manifest.

    Args:
        folder: a folder for patches.

    Returns:
        The manifest, or None where there is none yet.

    Raises:
        PatchSetError: the manifest is broken, or of another format.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise PatchSetError(f"{folder / MANIFEST} cannot be read ({error}); slice the photos again") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        came = manifest.get("format") if isinstance(manifest, dict) else type(manifest).__name__
        raise PatchSetError(f"{folder / MANIFEST} has format {came!r}, {FORMAT!r} was expected; slice the photos again")
    return manifest
