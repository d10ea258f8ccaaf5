"""A weights file written again: what is measured anew replaces the old, all else stays."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainer.nets.compact import trained_compact
from trainer.cli.flag_types import weights_and_share
from trainer.cli.main import main
from trainer.export.benchmarks import Benchmarks
from trainer.export.card import Description
from trainer.export.export import export
from trainer.metrics.extra_metrics import ExtraMetrics
from trainer.metrics.halo import Halo
from weights import Generator, build_generator, enlarge, load_generator, read_metadata


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder, random = tmp_path / "pictures", np.random.default_rng(3)
    folder.mkdir()
    Image.fromarray(random.integers(0, 256, (72, 96, 3), np.uint8)).save(folder / "one.png")
    return folder


@pytest.fixture
def exported(pictures: Path, tmp_path: Path) -> Path:
    """A compact weights file with a card, measured on two benchmarks beside two others."""
    path = tmp_path / "old" / "one.safetensors"
    words = Description(
        "One",
        text="The first.",
        hardware="one core",
        history="first version",
        weaknesses="- Fences.\n\n- Hair.",
        data="3 photos",
        pictures=(tmp_path / "docs" / "hair.png",),
        provenance={"steps": 7},
    )
    beside = {name: build_generator("espcn").eval() for name in ("faithful", "without")}
    export(
        _plain(),
        Halo(4, 0.0),
        words,
        path,
        Benchmarks({"First": pictures, "Second": pictures}, ExtraMetrics(texture=True), beside),
    )
    return path


def test_columns_and_benchmarks_that_are_not_measured_anew_stay(
    exported: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_metadata(exported).metrics
    other = tmp_path / "faithful.safetensors"
    export(_plain(1), Halo(3, 0.0), Description("Other"), other, Benchmarks())
    new = tmp_path / "new" / "one.safetensors"
    command = ["export", str(exported), "--to", str(new), "--benchmark", f"First={pictures}", "--texture"]
    assert main([*command, "--beside", str(other)]) == 0
    assert str(new) in capsys.readouterr().out
    after = read_metadata(new).metrics
    assert after["Second"] == before["Second"]
    assert "| | bicubic | faithful | without | this file |" in new.with_suffix(".md").read_text(encoding="utf-8")
    assert after["First"]["all"]["faithful"] != before["First"]["all"]["faithful"]
    for column in ("bicubic", "without", "generator"):
        assert after["First"]["all"][column] == before["First"]["all"][column]


def test_words_and_earlier_versions_stay_where_none_are_given(exported: Path, tmp_path: Path) -> None:
    new = tmp_path / "elsewhere" / "deeper" / "one.safetensors"
    assert main(["export", str(exported), "--to", str(new), "--history", "deepened", "--layers", "3"]) == 0
    old_card, card = (file.with_suffix(".md").read_text(encoding="utf-8") for file in (exported, new))
    kept = ("# One\n\nThe first.", "| Hardware | one core |", "- Fences.\n\n- Hair.", "3 photos", "first version")
    for words in kept:
        assert words in old_card
        assert words in card
    assert "](../../docs/hair.png)" in card
    assert card.rstrip().endswith("deepened")
    one, other = (load_generator(file) for file in (exported, new))
    assert other.metadata.provenance == {"steps": 7, "deepened_from": one.metadata.sha256[:12]}
    assert (other.metadata.config["layers"], other.metadata.halo) == (3, 5)
    low_res = torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        difference = (enlarge(one.generator, low_res) - enlarge(other.generator, low_res)).abs().max()
    assert float(difference) <= 1e-6


def test_a_file_may_be_renewed_in_its_place(exported: Path) -> None:
    before = load_generator(exported).metadata
    assert main(["export", str(exported), "--to", str(exported), "--title", "Two"]) == 0
    after = load_generator(exported).metadata
    assert (before.title, after.title) == ("One", "Two")
    assert (after.sha256, after.licence, after.metrics) == (before.sha256, before.licence, before.metrics)
    assert exported.with_suffix(".md").read_text(encoding="utf-8").startswith("# Two\n")


def test_too_few_layers_replace_nothing(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = exported.read_bytes()
    assert main(["export", str(exported), "--to", str(exported), "--layers", "1"]) == 1
    assert "cannot be deepened to 1 layers" in capsys.readouterr().err
    assert exported.read_bytes() == before


def test_layers_for_a_folder_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path), "--to", str(tmp_path / "one.safetensors"), "--layers", "3"]) == 1
    assert "export the folder first" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_moved_toward_another_lies_between_the_two_and_says_so(exported: Path, tmp_path: Path) -> None:
    other, new, generator = tmp_path / "other.safetensors", tmp_path / "new.safetensors", _plain()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.mul_(1.5)
    export(generator, Halo(3, 0.0), Description("Other"), other, Benchmarks())
    assert main(["export", str(exported), "--to", str(new), "--toward", f"{other}=0.25"]) == 0
    ends, between = (load_generator(exported), load_generator(other)), load_generator(new)
    parameters = zip(*(each.generator.parameters() for each in (*ends, between)), strict=True)
    for one, two, mixed in parameters:
        torch.testing.assert_close(mixed, 0.75 * one + 0.25 * two)
    note = {"file": other.name, "weights": ends[1].metadata.sha256[:12], "share": 0.25}
    assert between.metadata.provenance == {"steps": 7, "moved_toward": note}


def test_a_moved_file_keeps_no_figures_of_what_it_was(exported: Path, pictures: Path, tmp_path: Path) -> None:
    other, new = tmp_path / "other.safetensors", tmp_path / "new.safetensors"
    export(
        build_generator("compact", {"features": 8, "layers": 2}).eval(),
        Halo(3, 0.0),
        Description(""),
        other,
        Benchmarks(),
    )
    before = read_metadata(exported).metrics
    assert main(["export", str(exported), "--to", str(new), "--toward", f"{other}=1"]) == 0
    assert read_metadata(new).metrics.keys() == {"halo_error"}
    command = ["export", str(exported), "--to", str(new), "--toward", f"{other}=1", "--benchmark", f"First={pictures}"]
    assert main(command) == 0
    after = read_metadata(new).metrics
    assert "Second" not in after
    assert after["First"]["all"]["without"] == before["First"]["all"]["without"]
    assert after["First"]["generator"] != before["First"]["generator"]
    assert after["First"]["all"]["generator"].keys() == {"psnr", "ssim"}


@pytest.mark.parametrize("words", ["other.safetensors", "=0.5", "other.safetensors=2", "other.safetensors=near"])
def test_a_share_that_is_none_is_refused(words: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="WEIGHTS=SHARE was expected"):
        weights_and_share(words)


def test_a_file_is_not_moved_toward_one_of_another_size(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, new = tmp_path / "other.safetensors", tmp_path / "new.safetensors"
    export(_plain(3), Halo(3, 0.0), Description("Other"), other, Benchmarks())
    assert main(["export", str(exported), "--to", str(new), "--toward", f"{other}=0.25"]) == 1
    assert "expected the same configuration twice" in capsys.readouterr().err
    assert not new.exists()


@pytest.mark.parametrize("flags", [["--best"], ["--phase", "adversarial"]])
def test_what_chooses_within_a_folder_is_refused_for_a_file(
    exported: Path, tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new.safetensors"
    assert main(["export", str(exported), "--to", str(new), *flags]) == 1
    assert "or name the folder" in capsys.readouterr().err
    assert not new.exists()


def _plain(layers: int = 2) -> Generator:
    return trained_compact(layers=layers).eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
