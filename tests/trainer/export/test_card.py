"""The card beside a weights file: everything that was measured, beside bicubic and other files, and its pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.export.benchmarks import Benchmarks
from trainer.export.card import Description
from trainer.export.export import export
from trainer.metrics.extra_metrics import ExtraMetrics
from trainer.metrics.halo import Halo
from weights import build_generator, read_metadata


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two small pictures with fine and coarse detail."""
    folder, random = tmp_path / "pictures", np.random.default_rng(3)
    folder.mkdir()
    for number in range(2):
        coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), np.uint8))
        coarse.resize((96, 72), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


def test_the_card_has_a_column_for_bicubic_each_other_file_and_this_one(pictures: Path, tmp_path: Path) -> None:
    one, other = (build_generator("espcn").eval() for _ in range(2))
    benchmarks = Benchmarks({"Two": pictures}, ExtraMetrics(texture=True, jpeg_qualities=(60,)), {"without": other})
    path = tmp_path / "weights" / "one.safetensors"
    shown = tmp_path / "docs" / "leaves.png"
    export(one, Halo(4, 0.0), Description("One", pictures=(shown,)), path, benchmarks)
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert "| | bicubic | without | this file |" in card
    row = next(line for line in card.splitlines() if line.startswith("| from JPEG of quality 60: Y-PSNR"))
    measured = read_metadata(path).metrics["Two"]["all"]
    assert row.split(" | ")[1:] == [f"{measured[name]['jpeg60_psnr']:.4g}" for name in ("bicubic", "without")] + [
        f"{measured['generator']['jpeg60_psnr']:.4g} |"
    ]
    assert measured["generator"] != measured["without"]
    assert "energy at a period of 2 px" in card
    assert "](../docs/leaves.png)" in card


def test_a_card_of_nothing_but_psnr_stays_short(pictures: Path, tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    export(build_generator("espcn").eval(), Halo(4, 0.0), Description("One"), path, Benchmarks({"Two": pictures}))
    assert "all" not in read_metadata(path).metrics["Two"]
    card = path.with_suffix(".md").read_text(encoding="utf-8")
    assert "this file | gain" in card
    assert "Pictures" not in card
