"""The figures that a weights file carries: what they are taken on, and how new ones join those from before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.metrics.evaluation import PLAIN, evaluate
from trainer.metrics.extra_metrics import ExtraMetrics
from trainer.metrics.pictures import enlarger_of, even_picture, picture_files
from weights import Generator


@dataclass(frozen=True)
class Benchmarks:
    """What the figures of a weights file are taken on, and beside what."""

    # Name → folder of high-resolution pictures, or the files themselves
    folders: Mapping[str, Path | Sequence[Path]] = field(default_factory=dict)
    metrics: ExtraMetrics = PLAIN  # What to measure beside Y-PSNR
    # Name → generator that the card compares with, on the device where it is to be measured
    beside: Mapping[str, Generator] = field(default_factory=dict)
    # Figures from before, as `measure` returns them: those that are not measured anew stay
    known: Mapping[str, Any] = field(default_factory=dict)


def measure(generator: Generator, benchmarks: Benchmarks) -> dict[str, Any]:
    """Measure on each benchmark.

    Args:
        generator: On the device where it is to be measured.
        benchmarks: What on.

    Returns:
        Name → {"bicubic": dB, "generator": dB, "pictures": N} in Y-PSNR; and, where more was asked for,
        "all": enlarger → measure → figure.
    """
    figures: dict[str, Any] = dict(benchmarks.known)
    enlargers = {name: enlarger_of(other) for name, other in benchmarks.beside.items()}
    for name, folder in benchmarks.folders.items():
        rows = evaluate({**enlargers, "generator": enlarger_of(generator)}, folder, benchmarks.metrics)
        plain, ours = rows[0], rows[-1]
        figures[name] = {"bicubic": round(plain.psnr, 3), "generator": round(ours.psnr, 3), "pictures": ours.pictures}
        known = benchmarks.known.get(name, {}).get("all", {})
        if known or benchmarks.beside or benchmarks.metrics != PLAIN:
            figures[name]["all"] = _renewed(known, {row.name: _rounded(row.figures()) for row in rows})
    return figures


def _renewed(known: Mapping[str, dict[str, float]], taken: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Put new figures in the place of known ones, column by column; this file's stay last."""
    columns = [name for name in dict.fromkeys([*taken, *known]) if name != "generator"]
    renewed = {}
    for column in [*columns, "generator"]:
        new, old = taken.get(column, {}), known.get(column, {})
        renewed[column] = new | {name: figure for name, figure in old.items() if name not in new}
    return renewed


def _rounded(figures: Mapping[str, Any]) -> dict[str, float]:
    numbers = {name: value for name, value in figures.items() if isinstance(value, float)}
    return {name: float(f"{value:.5g}") for name, value in numbers.items()}


def benchmark_pictures(benchmarks: Benchmarks, device: torch.device) -> list[torch.Tensor]:
    """Load the first two pictures of each benchmark.

    Args:
        benchmarks: Names the benchmarks.
        device: Where to put them.

    Returns:
        (1, 3, H, W), float32, 0…1.
    """
    sets = [picture_files(each) if isinstance(each, Path) else each for each in benchmarks.folders.values()]
    files = [file for pictures in sets for file in pictures[:2]]
    return [_tensor(even_picture(file)).to(device) for file in files]


def _tensor(picture: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float().div_(255)
