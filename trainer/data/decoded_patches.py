"""All patches to train on, decoded, in one file that every loading process maps into its memory.

Decoding PNG takes three quarters of a loader's time. The file lies beside the patches and is named after their hash, so
that it can be deleted at any time and is never mistaken for another set's; all processes share its pages.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from trainer.data.patch_set import PATCH_SIZE, PatchSet
from weights.atomic import atomic_write

SUFFIX = ".pixels"
PATCH_SHAPE = (PATCH_SIZE, PATCH_SIZE, 3)
PATCH_BYTES = PATCH_SIZE * PATCH_SIZE * 3
RESERVE = 1 << 30  # bytes of the disk that are left to checkpoints and samples
_ABANDONED = 600  # seconds after which nobody writes a half-made file any more

Pixels = NDArray[np.uint8]


def decoded_file(patch_set: PatchSet) -> Path:
    """Return the path of the decoded patches, whether they are there or not."""
    return patch_set.folder / f"train-{patch_set.hash[:16]}{SUFFIX}"


def find_decoded(patch_set: PatchSet) -> Path | None:
    """Return the file of decoded patches, or None where there is none of the right size."""
    file = decoded_file(patch_set)
    whole = file.is_file() and file.stat().st_size == len(patch_set.train) * PATCH_BYTES
    return file if whole and patch_set.train else None


def make_decoded(patch_set: PatchSet, log: Callable[[str], None], limit: int) -> Path | None:
    """Decode all patches to train on, once; where that is impossible, log why, and leave decoding to the loaders.

    Args:
        patch_set: The patches.
        log: Takes a sentence for the user.
        limit: Largest size of the file, bytes.

    Returns:
        The file: (N, 256, 256, 3) uint8, in the order of `patch_set.train`; None where it was not made.
    """
    found, size = find_decoded(patch_set), len(patch_set.train) * PATCH_BYTES
    if found or not size:
        return found
    free = shutil.disk_usage(patch_set.folder).free
    reason = ""
    if size > limit:
        reason = f"that would take {_gib(size)}, more than {_gib(limit)}, see --decoded-limit"
    elif size + RESERVE > free:
        reason = f"{_gib(size + RESERVE)} must be free on the disk of {patch_set.folder}, but {_gib(free)} are"
    else:
        try:
            _write(patch_set, decoded_file(patch_set))
        except OSError as error:
            reason = f"{patch_set.folder} cannot be written ({error.strerror or error})"
    if reason:
        log(f"the patches cannot be decoded once for all ({reason}), so each is decoded when it is met: slower")
    return find_decoded(patch_set)


def open_decoded(file: Path) -> Pixels:
    """Map decoded patches into memory.

    Args:
        file: As `make_decoded` returned it.

    Returns:
        (N, 256, 256, 3) uint8, read only; nothing is read until it is looked at.
    """
    return np.asarray(np.memmap(file, np.uint8, "r")).reshape(-1, *PATCH_SHAPE)


def decode(file: Path) -> Pixels:
    """Read one patch: (256, 256, 3) uint8."""
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def _write(patch_set: PatchSet, file: Path) -> None:
    """Write the file; several trainings may do so at the same time."""
    for other in patch_set.folder.glob(f"*train-*{SUFFIX}*"):
        half_made = other.suffix != SUFFIX  # a sibling, see `replacing`
        if not half_made or time.time() - other.stat().st_mtime > _ABANDONED:
            other.unlink(missing_ok=True)  # of patches that are no longer here, or of a run that was killed
    with atomic_write(file) as sibling, sibling.open("wb") as target:
        for patch in tqdm(patch_set.train, unit="patch", desc="decoding", mininterval=1, delay=2):
            target.write(decode(patch).tobytes())


def _gib(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB"
