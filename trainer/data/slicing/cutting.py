"""Cuts one photo into patches and leaves them, with a record, in a folder of their own.

Each photo's patches are staged apart, and the record is written last: a killed slicer finds what is complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainer.data.patch_set import PATCH_SIZE
from trainer.data.slicing.noise import noise_of
from trainer.data.slicing.photos import Photo, Pixels, read_photo, reductions_of
from trainer.data.slicing.png import encode_png
from trainer.errors import PhotoError, SlicingError
from weights.atomic import atomic_write

RECORD = "record.json"


@dataclass(frozen=True)
class SlicingConfig:
    """What decides which patches a photo gives."""

    # integer factors by which the photo is reduced, in linear light, before it is cut
    reductions: tuple[int, ...] = (1, 2, 4, 8)
    stride: int = PATCH_SIZE  # pixels from one patch to the next; 256 cuts side by side, less overlaps
    flat_below: float = 4.0  # patches whose luma deviates less than this (of 255, standard deviation) are skipped
    blurred_below: float = 1.0  # patches with less fine detail than this (of 255, see `fine_detail`) are skipped
    flat_share: float = 0.02  # of the flat and blurred patches: kept, so that a generator learns to leave them alone
    # (EXIF model, factor): photos of these cameras are reduced first of all
    camera_reductions: tuple[tuple[str, int], ...] = ()


def cut_photo(path: Path, part: Path, config: SlicingConfig) -> None:
    """Write a photo's patches and their record into `part`.

    Args:
        path: the photo.
        part: a folder that belongs to this photo alone; what a killed run left there is removed.
        config: what to cut.

    Raises:
        SlicingError: the folder cannot be written. A photo that cannot be used is no error: its record says why.
    """
    try:
        if part.exists():
            shutil.rmtree(part)
        part.mkdir(parents=True)
        record = _cut(path, part, config)
        with atomic_write(part / RECORD) as sibling:
            sibling.write_text(json.dumps(record), encoding="utf-8")
    except OSError as error:
        raise SlicingError(
            f"the patches of {path.name} cannot be written ({error.strerror or error}); "
            "make room or choose another folder, then run the same command: it goes on where it stopped"
        ) from error


def fine_detail(luma: Pixels) -> float:
    """Measure how much of a patch a ×2 reduction loses: the deviation of pixels from the mean of their 2 × 2 cell.

    Args:
        luma: uint8, H × W with even sides.

    Returns:
        The root of the mean square of those deviations, in units of 1/255.
    """
    top_left, top_right = luma[0::2, 0::2].astype(np.float32), luma[0::2, 1::2].astype(np.float32)
    low_left, low_right = luma[1::2, 0::2].astype(np.float32), luma[1::2, 1::2].astype(np.float32)
    # the three differences of a cell carry its whole deviation (an orthogonal 2 × 2 Haar transform)
    across = top_left - top_right + low_left - low_right
    down = top_left + top_right - low_left - low_right
    diagonal = top_left - top_right - low_left + low_right
    energy = np.vdot(across, across) + np.vdot(down, down) + np.vdot(diagonal, diagonal)
    return float(np.sqrt(energy / 4 / luma.size))


def _cut(path: Path, part: Path, config: SlicingConfig) -> dict[str, Any]:
    try:
        photo = read_photo(path)
    except PhotoError as error:
        return {"skipped": str(error)}
    first = dict(config.camera_reductions).get(photo.camera, 1)
    record: dict[str, Any] = {
        "content_hash": photo.content_hash,
        "camera": photo.camera,
        "size": [photo.pixels.shape[1], photo.pixels.shape[0]],
        "first_reduction": first,
        "noise": noise_of(np.asarray(Image.fromarray(photo.pixels).convert("L"))),
        "patches": [],
        "rejected": {"flat": 0, "blurred": 0, "transparent": 0},
    }
    for reduction, patch, opaque in _patches(photo, first, config):
        fault = "transparent" if not opaque else _fault(patch, config)
        content = hashlib.sha256(patch.tobytes()).hexdigest()
        if fault and (fault == "transparent" or not _is_drawn(content, config.flat_share)):
            record["rejected"][fault] += 1
            continue
        (part / f"{len(record['patches'])}.png").write_bytes(encode_png(patch))
        record["patches"].append({"reduction": reduction, "hash": content, "fault": fault})
    if all(patch["fault"] for patch in record["patches"]):
        width, height = record["size"]
        rejected = [f"{count} {fault}" for fault, count in record["rejected"].items() if count]
        why = f"all its patches were rejected ({', '.join(rejected)})" if rejected else f"smaller than {PATCH_SIZE} px"
        return {"skipped": f"{width} × {height} px: {why}"}
    return record


def _is_drawn(content_hash: str, share: float) -> bool:
    """Return whether a patch is one of a share of all: decided by its content alone."""
    return int(content_hash[:8], 16) < share * (1 << 32)


def _patches(photo: Photo, first: int, config: SlicingConfig) -> Iterator[tuple[int, Pixels, bool]]:
    """Yield (reduction of the photo, patch, whether it is opaque), centred on the photo, row by row."""
    opaque = photo.opaque
    factors = [reduction * first for reduction in config.reductions]
    for factor, pixels in reductions_of(photo.pixels, factors, PATCH_SIZE):
        for top in _starts(pixels.shape[0], config.stride):
            for left in _starts(pixels.shape[1], config.stride):
                patch = np.ascontiguousarray(pixels[top : top + PATCH_SIZE, left : left + PATCH_SIZE])
                seen = True
                if opaque is not None:
                    rows = slice(top * factor, (top + PATCH_SIZE) * factor)
                    columns = slice(left * factor, (left + PATCH_SIZE) * factor)
                    seen = bool(opaque[rows, columns].all())
                yield factor, patch, seen


def _starts(length: int, stride: int) -> range:
    """First pixels of the patches along one side; the rest is shared evenly between both ends."""
    if length < PATCH_SIZE:
        return range(0)
    count = (length - PATCH_SIZE) // stride + 1
    margin = (length - PATCH_SIZE - (count - 1) * stride) // 2
    return range(margin, margin + count * stride, stride)


def _fault(patch: Pixels, config: SlicingConfig) -> str:
    luma = np.asarray(Image.fromarray(patch).convert("L"))
    if float(luma.std()) < config.flat_below:
        return "flat"
    return "blurred" if fine_detail(luma) < config.blurred_below else ""
