"""`run`: from a folder of photos to a pair of models in the server's folder, resumable at any point."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainer.config import TrainingConfig
from trainer.data.slicing.cutting import SlicingConfig
from trainer.data.slicing.noise import camera_table
from trainer.data.slicing.slicer import slice_with_progress
from trainer.errors import ConfigError
from trainer.export.benchmarks import Benchmarks
from trainer.export.card import Description
from trainer.export.export import export_run, tiles_in_words
from trainer.folders import user_weights_folder
from trainer.training.session import perceptual_loss, train
from trainer.training.validation import evenly_spread

PHASES = {"faithful": "pixel", "detailed": "adversarial"}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


@dataclass(frozen=True)
class Job:
    """What is made, and where."""

    photos: Path  # Folder of photos
    name: str  # Of the pair
    run_dir: Path  # Patches, checkpoints, curves
    weights_dir: Path  # Where the pair goes

    @classmethod
    def of(cls, photos: Path, name: str = "", run_dir: Path | None = None, weights_dir: Path | None = None) -> Job:
        """Fill in what was not named.

        Args:
            photos: Folder of photos.
            name: Name of the pair; empty for the folder's.
            run_dir: None for runs/NAME below the current folder.
            weights_dir: None for the folder in which the server looks.

        Returns:
            The job.

        Raises:
            ConfigError: The name cannot be a model's.
        """
        if not name:
            name = re.sub(r"[^a-z0-9]+", "-", photos.resolve().name.lower()).strip("-") or "photos"
        if not _NAME.fullmatch(name) or name.endswith(tuple(PHASES)):
            raise ConfigError(
                f"--name is {name!r}; expected small letters, digits, - and _, without -faithful or -detailed at the "
                "end; choose another name"
            )
        return cls(photos, name, run_dir or Path("runs") / name, weights_dir or user_weights_folder())


def run(
    job: Job,
    slicing: SlicingConfig,
    config: TrainingConfig,
    device: torch.device,
    *,
    start: Path | None = None,
    processes: int = 1,
    split_seed: int = 0,
    validation_share: float = 0.03,
    words: Sequence[str] = (),
    report: Callable[[str], None] = print,
) -> list[Path]:
    """Slice, train both phases, measure, export; whatever is done already is not done again.

    Args:
        job: What is made, and where.
        slicing: How photos are cut.
        config: The training's settings.
        device: Where to train.
        start: Weights file that the pixel phase goes on from; None begins anew.
        processes: How many photos are cut at once.
        split_seed: Draws the photos that validate.
        validation_share: Share of the photos that validate, 0…1.
        words: The command's words, kept for the weights files' provenance.
        report: Takes sentences for the user.

    Returns:
        The weights files of the pair.
    """
    perceptual_loss(config)  # missing weights are reported now rather than after the pixel phase
    patch_set = slice_with_progress(
        job.photos,
        job.run_dir / "patches",
        slicing,
        processes=processes,
        seed=split_seed,
        validation_share=validation_share,
    )
    skipped = patch_set.manifest["skipped"]
    report(
        f"{len(patch_set.train)} patches to train on, {len(patch_set.validation)} to validate, "
        f"{len(skipped)} files skipped (reasons in {patch_set.folder / 'manifest.json'})"
    )
    for line in camera_table(patch_set.manifest["photos"]):
        report(line)
    train(patch_set, config, job.run_dir, device, tuple(PHASES.values()), start, words)
    measured_on = evenly_spread(patch_set.validation or patch_set.train, config.validation_patches)
    benchmarks = Benchmarks({"validation patches": measured_on})
    files = []
    for kind, phase in PHASES.items():
        file = job.weights_dir / f"{job.name}-{kind}.safetensors"
        words_of_card = Description(title=f"{job.name} {kind}", text=f"Trained on {job.photos.name}: {phase} phase.")
        metadata = export_run(job.run_dir, file, words_of_card, benchmarks, phase=phase, best=True, device=device)
        report(f"{file}: {_sentence(metadata.metrics['validation patches'])}")
        if metadata.blend:
            report(f"{file}: {tiles_in_words(metadata)}")
        files.append(file)
    report(f"A running server offers the pair now as the model {job.name}.")
    return files


def _sentence(figures: Mapping[str, Any]) -> str:
    gain = figures["generator"] - figures["bicubic"]
    text = f"{figures['generator']:.2f} dB on {figures['pictures']} patches, bicubic {figures['bicubic']:.2f} dB"
    return text if gain >= 0 else f"{text}: still worse than bicubic, so train longer or on more photos"
