"""The tables of quality in README and docs/quality.md, read from the metadata of the shipped files.

python -m tests.docs.figures writes them anew, and so does `make docs`; a test holds them against the files, so that new
weights cannot come without new figures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.import_graph import ROOT
from weights import WeightsMetadata, load_generator, parameter_count

SETS = ("Set5", "Set14", "B100")
PAGES = (ROOT / "README.md", ROOT / "docs" / "quality.md")
PLACE = re.compile(r"(<!-- figures: (?P<kind>\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)
# Others' networks on the same files, reduced and measured in the same way; their parameters where they are known.
PEERS = (
    ("FSRCNN, as OpenCV has it", "", (34.86, 31.22, 30.24)),
    ("waifu2x, photo model", "", (37.15, 32.95, 31.67)),
    ("CARN-M", "0.41 M", (37.70, 33.31, 31.98)),
    ("PAN", "0.26 M", (38.02, 33.60, 32.19)),
    ("BSRN", "0.33 M", (38.10, 33.74, 32.24)),
)
# Measures beside PSNR that a file's metadata may hold: key → column.
FURTHER = {
    "ssim": "SSIM ↑", "distance": "perceptual distance ↓", "feature_loss": "feature loss ↓", "niqe": "NIQE ↓",
    "energy_2": "energy at 2 px, 1 is right", "energy_4": "energy at 4 px, 1 is right",
    "blur_detail": "detail in blurred parts",
    "jpeg60_psnr": "PSNR from JPEG 60 ↑",
    "jpeg60_distance": "distance from JPEG 60 ↓", "jpeg60_feature_loss": "feature loss from JPEG 60 ↓",
}  # fmt: skip


@dataclass(frozen=True)
class Shipped:
    """A shipped file: its model's name, what its metadata says, how many parameters it has."""

    name: str
    metadata: WeightsMetadata
    parameters: int

    @property
    def measured(self) -> bool:
        """Whether all sets were measured."""
        return all({"generator", "bicubic"} <= set(self.metadata.metrics.get(name, {})) for name in SETS)


def shipped() -> list[Shipped]:
    """Read every shipped file."""
    found = []
    for path in sorted((ROOT / "weights").glob("*.safetensors")):
        loaded = load_generator(path)
        found.append(Shipped(path.stem, loaded.metadata, parameter_count(loaded.generator)))
    return found


def ours(files: list[Shipped]) -> Iterator[str]:
    """The README's: bicubic, and each file with what it gains."""
    yield "| Y-PSNR in dB, ×2 | parameters | Set5 | Set14 | B100 |"
    yield "|---|---|---|---|---|"
    yield _bicubic(files)
    for each in filter(lambda file: file.measured, files):
        figures = [each.metadata.metrics[name] for name in SETS]
        cells = " | ".join(f"{one['generator']:.2f} ({one['generator'] - one['bicubic']:+.2f})" for one in figures)
        yield f"| `{each.name}` | {_millions(each.parameters)} | {cells} |"


def peers(files: list[Shipped]) -> Iterator[str]:
    """All of them in the order of B100, ours in bold."""
    yield "| | parameters | Set5 | Set14 | B100 |"
    yield "|---|---|---|---|---|"
    yield _bicubic(files)
    rows = [(figures, name, parameters, "") for name, parameters, figures in PEERS]
    for each in filter(lambda file: file.measured, files):
        figures = tuple(each.metadata.metrics[name]["generator"] for name in SETS)
        rows.append((figures, f"`{each.name}`", _millions(each.parameters), "**"))
    for figures, name, parameters, bold in sorted(rows, key=lambda row: row[0][-1]):
        cells = " | ".join(f"{bold}{figure:.2f}{bold}" for figure in figures)
        yield f"| {bold}{name}{bold} | {parameters} | {cells} |"


def further(files: list[Shipped]) -> Iterator[str]:
    """What else the metadata holds of B100, beside bicubic where that was measured too."""
    told: dict[str, dict[str, float]] = {}
    for each in files:
        for column, figures in each.metadata.metrics.get("B100", {}).get("all", {}).items():
            told[f"`{each.name}`" if column == "generator" else column] = figures
    columns = [key for key in FURTHER if any(key in figures for figures in told.values())]
    if not columns:
        yield "No shipped file has further measures in its metadata; those that were taken stand in its card."
        return
    yield "| B100 | " + " | ".join(FURTHER[key] for key in columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for name, figures in told.items():
        yield f"| {name} | " + " | ".join(f"{figures[key]:.4g}" if key in figures else "" for key in columns) + " |"


def _bicubic(files: list[Shipped]) -> str:
    first = next(each for each in files if each.measured)
    return "| bicubic | | " + " | ".join(f"{first.metadata.metrics[name]['bicubic']:.2f}" for name in SETS) + " |"


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f} M"


KINDS = {"ours": ours, "peers": peers, "further": further}


def filled(text: str, files: list[Shipped]) -> str:
    """Put the tables into their places in a document.

    Args:
        text: the document.
        files: what is shipped.

    Returns:
        The document with every place filled anew.
    """
    return PLACE.sub(lambda found: found[1] + "\n".join(KINDS[found["kind"]](files)) + "\n" + found[3], text)


def main(pages: tuple[Path, ...] = PAGES) -> None:
    """Write the tables."""
    files = shipped()
    for page in pages:
        page.write_text(filled(page.read_text(encoding="utf-8"), files), encoding="utf-8")


if __name__ == "__main__":
    main()
