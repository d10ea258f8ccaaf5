"""From a run folder to a weights file and its card: collapse, measure, write, read back, compare, rename.

What cannot be measured is left out of the metadata, never guessed.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.card import data_section, write_card
from trainer.checkpoint import load_checkpoint
from trainer.config import config_of
from trainer.errors import CheckpointError, TrainingError
from trainer.evaluation import enlarger_of, evaluate, even_picture, picture_files
from trainer.halo import Halo, measure_halo
from trainer.training import CHECKPOINT, CONFIG, PixelTraining
from weights import Generator, WeightsMetadata, enlarge, load_generator, save_generator

COLLAPSE_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Description:
    """What only the person who exports knows.

    Attributes:
        title: A name for people.
        author: Who trained it.
        licence: SPDX expression of the weights.
        text: One or two sentences.
        hardware: What it was trained on.
        provenance: Command, commit, data hash, steps, seconds, settings.
        history: One line on this version, for the card.
        data: Where the photos came from and under which licences, as the card says it.
        weaknesses: What it does badly, as the card says it.
    """

    title: str
    author: str = "Neural Upscale"
    licence: str = "CC0-1.0"
    text: str = ""
    hardware: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    history: str = ""
    data: str = ""
    weaknesses: str = ""


def export_run(
    run: Path, path: Path, description: Description, benchmarks: Mapping[str, Path], sources: Path | None = None
) -> WeightsMetadata:
    """Export the averaged generator of a run folder's pixel phase.

    Args:
        run: Folder with a checkpoint.
        path: The `.safetensors` file.
        description: For metadata and card; data and provenance are filled in here.
        benchmarks: Name → folder of high-resolution pictures.
        sources: Table of the photos with their licences.

    Returns:
        The metadata as written.

    Raises:
        CheckpointError: The run folder has no complete checkpoint.
        TrainingError: What was written computes something else than what was trained.
        EvaluationError: A benchmark folder cannot be used.
    """
    state = load_checkpoint(run / CHECKPOINT)
    if state is None:
        raise CheckpointError(f"{run} has no {CHECKPOINT}; expected a folder that `train` filled; check the path.")
    config = config_of(state["config"])
    training = PixelTraining(config, torch.device("cpu"))
    training.restore(state, run / CHECKPOINT)
    plain = training.faithful()
    check_collapse(training.average, plain)
    noted = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    provenance = {
        "command": noted.get("command", "unknown"),
        "commit": noted.get("commit", "unknown"),
        "data_hash": noted.get("data_hash", "unknown"),
        "steps": training.step,
        "seconds": round(training.seconds),
        "settings": config.to_dict(),
    }
    description = replace(description, provenance=provenance, data=data_section(sources) if sources else "")
    pictures = [_tensor(even_picture(file)) for folder in benchmarks.values() for file in picture_files(folder)[:2]]
    return export(plain, measure_halo(plain, pictures), description, path, benchmarks)


def export(
    generator: Generator, halo: Halo, description: Description, path: Path, benchmarks: Mapping[str, Path]
) -> WeightsMetadata:
    """Write a weights file and its card.

    Args:
        generator: Plain, float32, evaluation mode, on the CPU.
        halo: As measured.
        description: For metadata and card.
        path: The `.safetensors` file; its folder is created; the card has the same name with `.md`.
        benchmarks: Name → folder of high-resolution pictures to measure on.

    Returns:
        The metadata as written.

    Raises:
        TrainingError: The file read back computes something else; the old file, if any, is untouched.
        EvaluationError: A benchmark folder cannot be used.
    """
    metadata = WeightsMetadata(
        architecture=generator.architecture,
        config=dict(vars(generator.config)),
        scale=generator.scale,
        halo=halo.pixels,
        title=description.title,
        author=description.author,
        licence=description.licence,
        date=datetime.date.today().isoformat(),
        description=description.text,
        provenance=dict(description.provenance),
        metrics=measure(generator, benchmarks) | {"halo_error": halo.error},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".draft-{path.name}")
    try:
        metadata = save_generator(generator, metadata, draft)
        _compare(generator, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    write_card(metadata, description, path.with_suffix(".md"))
    return metadata


def measure(generator: Generator, benchmarks: Mapping[str, Path]) -> dict[str, Any]:
    """Measure Y-PSNR on each benchmark: name → {"bicubic": dB, "generator": dB, "pictures": N}."""
    figures = {}
    for name, folder in benchmarks.items():
        plain, ours = evaluate({"generator": enlarger_of(generator)}, folder)
        figures[name] = {"bicubic": round(plain.psnr, 3), "generator": round(ours.psnr, 3), "pictures": ours.pictures}
    return figures


@torch.no_grad()
def check_collapse(trained: Generator, plain: Generator) -> None:
    """Compare a generator with over-parameterised convolutions and its collapsed form on noise.

    Args:
        trained: As trained.
        plain: What `collapse` made of it.

    Raises:
        TrainingError: They differ by more than 1e-5.
    """
    noise = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    difference = float((enlarge(trained.to("cpu").eval(), noise) - enlarge(plain, noise)).abs().max())
    if not difference <= COLLAPSE_TOLERANCE:
        raise TrainingError(
            f"The collapsed generator differs from the trained one by {difference:.2e}; expected at most "
            f"{COLLAPSE_TOLERANCE}; nothing was written; check that the parameters are finite."
        )


def _tensor(picture: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float().div_(255)


@torch.no_grad()
def _compare(generator: Generator, path: Path) -> None:
    probe = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    difference = float((enlarge(load_generator(path).generator, probe) - enlarge(generator, probe)).abs().max())
    if difference != 0:
        raise TrainingError(
            f"The file read back computes something else (difference {difference:.2e}, expected 0); "
            "nothing was replaced; try again, and check the disk."
        )
