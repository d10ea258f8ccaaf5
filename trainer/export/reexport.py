"""From a weights file to its next version without training: measured anew, deepened, or moved toward another."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from trainer.export.benchmarks import Benchmarks
from trainer.export.card import Description, data_section, with_words_of
from trainer.export.export import CPU, export, halo_of
from trainer.export.toward import Toward, move_toward
from trainer.nets.growing import deepen
from weights import WeightsMetadata, load_generator


def reexport(
    source: Path,
    path: Path,
    description: Description,
    benchmarks: Benchmarks,
    sources: Path | None = None,
    layers: int | None = None,
    toward: Toward | None = None,
    device: torch.device = CPU,
) -> WeightsMetadata:
    """Write a weights file again, with new figures and a new card.

    Args:
        source: The `.safetensors` file; may be `path` itself.
        path: The file to write.
        description: For metadata and card; where it is empty, the old file's metadata and its card fill it in.
        benchmarks: What the figures are taken on; those of the old file that are not taken anew stay, where
            they still hold: not this file's own, once it is moved.
        sources: Table of the photos with their licences.
        layers: Layers of a `compact` generator, put in so that it computes the same; None leaves it as it is.
        toward: Another weights file, toward which the generator is moved; None leaves it as it is.
        device: Where figures and halo are measured.

    Returns:
        The metadata as written.

    Raises:
        ConfigError: The generator cannot have so many layers.
        TrainingError: What was written computes something else.
        EvaluationError: A benchmark folder cannot be used.
        WeightsError: The source or the other file cannot be read, or the two differ in configuration.
    """
    loaded = load_generator(source)
    old = loaded.metadata
    generator = loaded.generator.eval()
    provenance = dict(old.provenance)
    if layers is not None:
        generator = deepen(generator, layers)
        provenance["deepened_from"] = old.sha256[:12]
    generator, mixture = move_toward(generator, toward)
    provenance |= mixture
    description = replace(
        description,
        title=description.title or old.title,
        author=old.author or description.author,
        licence=description.licence or old.licence,
        text=description.text or old.description,
        provenance=provenance,
        data=data_section(sources) if sources else "",
    )
    description = with_words_of(description, source.with_suffix(".md"))
    halo = halo_of(generator, path, benchmarks, device)
    known = _of_others(old.metrics, benchmarks.folders) if toward else old.metrics
    return export(generator, halo, description, path, replace(benchmarks, known=known), device=device)


def _of_others(metrics: Mapping[str, Any], measured: Collection[str]) -> dict[str, Any]:
    """Leave of a file's figures those of other generators, on what is measured again: its own no longer hold."""
    columns = {name: metrics[name].get("all", {}) for name in measured if name in metrics}
    others = {name: {key: of[key] for key in of if key != "generator"} for name, of in columns.items()}
    return {name: {"all": kept} for name, kept in others.items() if kept}
