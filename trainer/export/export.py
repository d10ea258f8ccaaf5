"""From a run folder to a weights file and its card: reparameterise, measure, write, read back, compare, rename.

What cannot be measured is left out of the metadata, never guessed.
"""

from __future__ import annotations

import copy
import datetime
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from trainer.errors import TrainingError
from trainer.export.benchmarks import Benchmarks, benchmark_pictures, measure
from trainer.export.card import Description, data_section, write_card
from trainer.export.toward import Toward, move_toward
from trainer.metrics.halo import Halo, measure_halo
from trainer.nets.discriminator_file import discriminator_beside, save_discriminator
from trainer.run_folder import CONFIG, trained_generator
from trainer.training.checkpoint import load_checkpoint
from weights import Generator, WeightsMetadata, enlarge, interpolate, load_generator, save_generator
from weights.atomic import atomic_write

REPARAMETERISATION_TOLERANCE = 1e-5
FAITHFUL, DETAILED = "-faithful", "-detailed"  # what the names of a pair's files end in
CPU = torch.device("cpu")


def export_run(
    run: Path,
    path: Path,
    description: Description,
    benchmarks: Benchmarks,
    sources: Path | None = None,
    phase: str = "pixel",
    *,
    best: bool = False,
    toward: Toward | None = None,
    device: torch.device = CPU,
    dtype: torch.dtype = torch.float32,
) -> WeightsMetadata:
    """Export the averaged generator of a run folder.

    Args:
        run: Folder with a checkpoint.
        path: The `.safetensors` file.
        description: For metadata and card; data and provenance are filled in here.
        benchmarks: What the figures are taken on.
        sources: Table of the photos with their licences.
        phase: "pixel" for the faithful generator, "adversarial" for the detailed one.
        best: Whether to take the best state by validation instead of the last.
        toward: Another weights file, toward which the generator is moved; None leaves it as trained.
        device: Where figures and halo are measured.
        dtype: What the tensors are kept as.

    Returns:
        The metadata as written.

    Raises:
        CheckpointError: The run folder has no complete checkpoint.
        TrainingError: What was written computes something else than what was trained.
        EvaluationError: A benchmark folder cannot be used.
        WeightsError: The other file cannot be read, or has another configuration.
    """
    trained, plain, state = trained_generator(run, phase, best=best)
    check_reparameterised(trained, plain)
    plain, mixture = move_toward(plain, toward)
    noted = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    provenance = {
        "command": noted.get("command", "unknown"),
        "commit": noted.get("commit", "unknown"),
        "data_hash": noted.get("data_hash", "unknown"),
        "phase": phase,
        "steps": int(state["step"]),
        "seconds": round(float(state["seconds"])),
        "settings": _published(state["config"]),
        **mixture,
    }
    description = replace(description, provenance=provenance, data=data_section(sources) if sources else "")
    halo = halo_of(plain, path, benchmarks, device)
    metadata = export(plain, halo, description, path, benchmarks, device=device, dtype=dtype)
    _keep_discriminator(run, phase, path)
    return metadata


def _keep_discriminator(run: Path, phase: str, path: Path) -> None:
    """Put the discriminator of the last checkpoint beside a detailed file: the best one's is not kept."""
    state = load_checkpoint(run / f"{phase}.pt") or {}
    if "discriminator" in state and state["config"]["discriminator_steps"]:
        save_discriminator(state["discriminator"], discriminator_beside(path))


def halo_of(generator: Generator, path: Path, benchmarks: Benchmarks, device: torch.device) -> Halo:
    """Measure how much context tiles need; for a detailed file also in the middle of the pair, which a server blends.

    Args:
        generator: Plain, float32, evaluation mode, on the CPU.
        path: The file that it will be; for `NAME-detailed` the faithful one is looked for beside it.
        benchmarks: What to measure on.
        device: Where to measure.

    Returns:
        The halo.
    """
    generators = [generator]
    faithful = path.with_name(f"{path.stem.removesuffix(DETAILED)}{FAITHFUL}{path.suffix}")
    if path.stem.endswith(DETAILED) and faithful.exists():
        other = load_generator(faithful).generator
        if (other.architecture, other.config) == (generator.architecture, generator.config):
            generators.append(interpolate(other, generator, 0.5))
    return measure_halo([copy.deepcopy(each).to(device) for each in generators], benchmark_pictures(benchmarks, device))


def tiles_in_words(metadata: WeightsMetadata) -> str:
    """Return a sentence on how far the tiles of a file with a `blend` differ from the whole picture."""
    return (
        f"its tiles differ from the whole picture by {255 * metadata.metrics['halo_error']:.1f}/255 even with "
        f"{metadata.halo} pixels around them, expected at most 0.5/255; a server blends them over {metadata.blend} "
        "pixels"
    )


def _published(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Shorten the path among the settings to a file's name: where it lay is nobody's business."""
    return dict(settings) | {"perceptual_weights": Path(settings["perceptual_weights"]).name}


def export(
    generator: Generator,
    halo: Halo,
    description: Description,
    path: Path,
    benchmarks: Benchmarks,
    *,
    device: torch.device = CPU,
    dtype: torch.dtype = torch.float32,
) -> WeightsMetadata:
    """Write a weights file and its card.

    Args:
        generator: Plain, float32, evaluation mode, on the CPU.
        halo: As measured.
        description: For metadata and card.
        path: The `.safetensors` file; its folder is created; the card has the same name with `.md`.
        benchmarks: What the figures are taken on.
        device: Where the figures are measured.
        dtype: What the tensors are kept as; figures are those of the rounded ones.

    Returns:
        The metadata as written.

    Raises:
        TrainingError: The file read back computes something else; the old file, if any, is untouched.
        EvaluationError: A benchmark folder cannot be used.
    """
    generator = copy.deepcopy(generator).to(dtype).float()  # as it will be read back
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
        metrics=measure(copy.deepcopy(generator).to(device), benchmarks) | {"halo_error": halo.error},
        blend=halo.blend,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        metadata = save_generator(generator, metadata, draft, dtype)
        _compare(generator, draft)
    write_card(metadata, description, path.with_suffix(".md"))
    return metadata


@torch.no_grad()
def check_reparameterised(trained: Generator, plain: Generator) -> None:
    """Compare a generator with over-parameterised convolutions and its plain form on noise.

    Args:
        trained: As trained.
        plain: What `reparameterise` made of it.

    Raises:
        TrainingError: They differ by more than 1e-5.
    """
    noise = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    difference = float((enlarge(trained.to("cpu").eval(), noise) - enlarge(plain, noise)).abs().max())
    if not difference <= REPARAMETERISATION_TOLERANCE:
        raise TrainingError(
            f"The plain generator differs from the trained one by {difference:.2e}; expected at most "
            f"{REPARAMETERISATION_TOLERANCE}; nothing was written; check that the parameters are finite."
        )


@torch.no_grad()
def _compare(generator: Generator, path: Path) -> None:
    probe = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    difference = float((enlarge(load_generator(path).generator, probe) - enlarge(generator, probe)).abs().max())
    if difference != 0:
        raise TrainingError(
            f"The file read back computes something else (difference {difference:.2e}, expected 0); "
            "nothing was replaced; try again, and check the disk."
        )
