"""The card beside a weights file: what a person should know before using it, in Markdown."""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from weights import WeightsMetadata
from weights.atomic import atomic_write

_WEAKNESSES, _PICTURES, _DATA = "## What it does badly", "## Pictures", "## Data"
_HISTORY = "## Published versions"


@dataclass(frozen=True)
class Description:
    """What only the person who exports knows."""

    title: str  # A name for people
    author: str = "Neural Upscale"  # Who trained it
    licence: str = ""  # SPDX expression of the weights; empty where nobody has stated one
    text: str = ""  # One or two sentences
    hardware: str = ""  # What it was trained on
    provenance: Mapping[str, Any] = field(default_factory=dict)  # Command, commit, data hash, steps, seconds, settings
    history: str = ""  # One line on this version, for the card
    data: str = ""  # Where the photos came from and under which licences, as the card says it
    weaknesses: str = ""  # What it does badly, as the card says it
    pictures: tuple[Path, ...] = ()  # Files that the card shows
    earlier: tuple[str, ...] = ()  # Lines on earlier versions, where no card is replaced that has some


def write_card(metadata: WeightsMetadata, description: Description, path: Path) -> None:
    """Write a card; the lines on earlier versions in an existing one are kept.

    Args:
        metadata: As in the weights file.
        description: The words.
        path: A Markdown file, replaced atomically.
    """
    earlier = _history(path) or list(description.earlier)
    line = f"- {metadata.date} `{metadata.sha256[:12]}`: {description.history or 'exported'}"
    if line not in earlier:
        earlier.append(line)
    sections = [
        f"# {metadata.title}\n\n{metadata.description}",
        _facts(metadata, description),
        "## Figures\n\n" + _figures(metadata.metrics),
        _pictures(description.pictures, path.parent),
        f"{_WEAKNESSES}\n\n{description.weaknesses}" if description.weaknesses else "",
        f"{_DATA}\n\n{description.data}" if description.data else "",
        _HISTORY + "\n\n" + "\n".join(earlier),
    ]
    with atomic_write(path) as sibling:
        sibling.write_text("\n\n".join(part for part in sections if part) + "\n", encoding="utf-8")


def with_words_of(description: Description, card: Path) -> Description:
    """Fill in what only a card knows, where it was left empty.

    Args:
        description: The words so far.
        card: A Markdown file that `write_card` wrote; nothing is filled in where there is none.

    Returns:
        The same with hardware, weaknesses, data, pictures and earlier versions of the card.
    """
    if not card.exists():
        return description
    text = card.read_text(encoding="utf-8")
    hardware = re.search(r"^\| Hardware \| (.+) \|$", text, flags=re.MULTILINE)
    shown = re.findall(r"^!\[.*\]\((.+)\)$", _section(text, _PICTURES), flags=re.MULTILINE)
    return replace(
        description,
        hardware=description.hardware or (hardware[1] if hardware else ""),
        weaknesses=description.weaknesses or _section(text, _WEAKNESSES),
        data=description.data or _section(text, _DATA),
        pictures=description.pictures or tuple(card.parent / file for file in shown),
        earlier=tuple(_history(card)),
    )


def _section(text: str, heading: str) -> str:
    """Cut a section out of a card; empty where it has none."""
    return text.partition(f"{heading}\n\n")[2].partition("\n\n## ")[0]


def _history(path: Path) -> list[str]:
    if not path.exists():
        return []
    _, _, tail = path.read_text(encoding="utf-8").partition(_HISTORY)
    return re.findall(r"^- .+$", tail, flags=re.MULTILINE)


def _facts(metadata: WeightsMetadata, description: Description) -> str:
    made = metadata.provenance
    blended = f", blended over {metadata.blend} px" if metadata.blend else ""
    size = ", ".join(f"{name} {value}" for name, value in metadata.config.items())
    rows = {
        "Architecture": f"`{metadata.architecture}` ({size})",
        "Scale": f"×{metadata.scale}, halo {metadata.halo} px{blended}",
        "Licence": metadata.licence or "not stated",
        "Steps": f"{made.get('steps', 'unknown')}",
        "Time": f"{made['seconds'] / 60:.0f} minutes" if "seconds" in made else "unknown",
        "Hardware": description.hardware or "unknown",
        "Commit": f"`{made.get('commit', 'unknown')}`",
        "Data hash": f"`{str(made.get('data_hash', 'unknown'))[:16]}`",
    }
    lines = ["| | |", "|---|---|"] + [f"| {name} | {value} |" for name, value in rows.items()]
    if "command" in made:
        lines.append(f"\nTrained and exported with:\n\n    {made['command']}")
    return "\n".join(lines)


def _figures(metrics: dict[str, Any]) -> str:
    sets = {name: figures for name, figures in metrics.items() if isinstance(figures, dict) and "generator" in figures}
    if not sets:
        return "None measured."
    lines = ["Y-PSNR in dB, ×2, two pixels cut off at every side, reduced with Pillow's BICUBIC:", ""]
    lines += ["| | pictures | bicubic | this file | gain |", "|---|---|---|---|---|"]
    for name, figures in sets.items():
        gain = figures["generator"] - figures["bicubic"]
        row = (
            f"| {name} | {figures['pictures']} | {figures['bicubic']:.2f} | {figures['generator']:.2f} | {gain:+.2f} |"
        )
        lines.append(row)
    for name, figures in sets.items():
        if "all" in figures:
            lines += ["", f"On {name}:", "", *_all_figures(figures["all"])]
    return "\n".join(lines)


# how the card names measures, and which way is better
_MEASURES = {
    "psnr": "Y-PSNR, dB, higher is better",
    "ssim": "Y-SSIM, higher is better",
    "distance": "perceptual distance (LPIPS without calibration), lower is better",
    "feature_loss": "feature loss, on which the detailed generator is trained, lower is better",
    "niqe": "NIQE, lower is better",
    "fid": "FID, lower is better",
    "precision": "precision, higher is better",
    "recall": "recall, higher is better",
    "energy_2": "energy at a period of 2 px, of the originals': 1 is right",
    "energy_4": "energy at a period of 4 px, of the originals': 1 is right",
    "blur_detail": "detail in blurred parts (variance), the originals' is right",
    "blur_original": "the originals' detail there",
}
_FROM_JPEG = re.compile(r"jpeg(\d+)_(\w+)")


def _all_figures(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Make a table of everything that was measured: a row for each measure, a column for each enlarger."""
    names = list(dict.fromkeys(name for figures in found.values() for name in figures))
    head = ["this file" if column == "generator" else column for column in found]
    lines = [f"| | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for name in names:
        cells = [f"{figures[name]:.4g}" if name in figures else "–" for figures in found.values()]
        lines.append(f"| {_measure_in_words(name)} | {' | '.join(cells)} |")
    return lines


def _measure_in_words(name: str) -> str:
    jpeg = _FROM_JPEG.fullmatch(name)
    if jpeg:
        return f"from JPEG of quality {jpeg[1]}: {_MEASURES.get(jpeg[2], jpeg[2])}"
    return _MEASURES.get(name, name)


def _pictures(files: tuple[Path, ...], folder: Path) -> str:
    if not files:
        return ""
    shown = [f"![{file.stem}]({Path(os.path.relpath(file, folder)).as_posix()})" for file in files]
    return f"{_PICTURES}\n\n" + "\n\n".join(shown)


def data_section(sources: Path) -> str:
    """Sum up a table of photos by licence.

    Args:
        sources: CSV with the columns `licence` and `author_or_source`, a row for each photo.

    Returns:
        Markdown for the card's section on data.
    """
    with sources.open(encoding="utf-8", newline="") as file:
        licences = Counter(row["licence"] for row in csv.DictReader(file))
    lines = [f"{sum(licences.values())} photos under free licences (each with its origin in `{sources.name}`):", ""]
    return "\n".join(lines + [f"- {count} × {licence}" for licence, count in licences.most_common()])
