"""How fast a generator is, and how much its tiles differ from the whole picture with the halo its file states."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from trainer.exporting.halo import tiling_error
from trainer.measuring.evaluation import Scores, even_picture, picture_files, reduced
from weights import Generator, LoadedWeights, enlarge

SIDE = 256  # low-resolution pixels
_RUNS = 3
_PICTURES = 2


def with_speed(rows: Sequence[Scores], generators: Mapping[str, LoadedWeights], folder: Path) -> list[Scores]:
    """Add speed and halo error to the rows of generators.

    Args:
        rows: What `evaluate` returned.
        generators: By the names of the rows; on the device to measure.
        folder: Pictures to measure the halo on.

    Returns:
        The rows, completed.
    """
    pictures = [
        torch.from_numpy(reduced(even_picture(file)).copy()).permute(2, 0, 1)[None].float().div_(255)
        for file in picture_files(folder)[:_PICTURES]
    ]
    completed = []
    for row in rows:
        if row.name in generators:
            loaded = generators[row.name]
            device = next(loaded.generator.parameters()).device
            halo = loaded.metadata.halo
            errors = [tiling_error(loaded.generator, picture.to(device), halo) for picture in pictures]
            measured = {"megapixels_per_second": megapixels_per_second(loaded.generator), "halo_error": max(errors)}
            row = replace(row, extra={**row.extra, **measured})
        completed.append(row)
    return completed


@torch.no_grad()
def megapixels_per_second(generator: Generator) -> float:
    """Measure a generator in float32 where it is.

    Args:
        generator: Evaluation mode.

    Returns:
        Megapixels of output per second: the best of three runs of 256 × 256 pixels, after one to warm up.
    """
    device = next(generator.parameters()).device
    low_res = torch.rand(1, 3, SIDE, SIDE, device=device).contiguous(memory_format=torch.channels_last)
    best = float("inf")
    for _ in range(1 + _RUNS):
        started = time.perf_counter()
        enlarge(generator, low_res)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - started)
    return (2 * SIDE) ** 2 / 1e6 / best
