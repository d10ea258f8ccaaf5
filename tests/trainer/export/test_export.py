"""Export: nothing takes a file's place that was not read back and compared."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainer.errors import TrainingError
from trainer.export import export as exporting
from trainer.export.benchmarks import Benchmarks
from trainer.export.card import Description
from trainer.export.export import export, halo_of, tiles_in_words
from trainer.metrics import halo as measuring
from trainer.metrics.halo import Halo, measure_halo
from weights import Generator, build_generator, load_generator, read_metadata
from weights.generators.nafnet import Nafnet

SIZES = {"features": 8, "layers": 2}


def _export(generator: Generator, file: Path) -> None:
    export(generator, Halo(4, 0.0), Description(title="small", text="A test."), file, Benchmarks())


def test_what_reads_back_as_something_else_replaces_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "small.safetensors"
    torch.manual_seed(1)
    old, new = (build_generator("compact", SIZES).eval() for _ in range(2))
    _export(old, file)
    before = file.read_bytes()

    def damaged(path: Path) -> object:
        loaded = load_generator(path)
        with torch.no_grad():
            next(loaded.generator.parameters()).flatten()[0] += 1e-3
        return loaded

    monkeypatch.setattr(exporting, "load_generator", damaged)
    with pytest.raises(TrainingError, match=r"read back computes something else.*nothing was replaced"):
        _export(new, file)
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.md", "small.safetensors"]
    monkeypatch.undo()
    _export(new, file)
    assert file.read_bytes() != before
    assert read_metadata(file).title == "small"


def test_a_halo_is_the_receptive_radius_where_that_is_affordable_and_measured_elsewhere() -> None:
    torch.manual_seed(1)
    pictures = [torch.rand(1, 3, 96, 96)]
    compact = build_generator("compact", SIZES).eval()
    assert measure_halo([compact], pictures) == Halo(compact.receptive_radius, 0.0)
    deep = build_generator("dilated_rrdb", {"features": 8, "growth": 8, "blocks": 2, "pairs": 2}).eval()
    halo = measure_halo([deep], pictures)
    assert halo.pixels <= deep.receptive_radius
    assert 0 <= halo.error <= 0.5 / 255


def _far_sighted(window_radius: int) -> Nafnet:
    """A generator whose channels are scaled by means of a wide window; of black it makes nothing."""
    torch.manual_seed(1)
    generator = build_generator("nafnet", {"features": 4, "blocks": 1, "window_radius": window_radius}).eval()
    assert isinstance(generator, Nafnet)
    for name, parameter in generator.named_parameters():
        if name.endswith("bias"):
            parameter.data.zero_()
    generator.trunk[0].spatial_factor.data.fill_(200.0)  # type: ignore[union-attr, operator]
    return generator


def test_a_halo_is_judged_at_edges_and_corners_too() -> None:
    picture = torch.zeros(1, 3, 192, 192)
    assert measure_halo([_far_sighted(40)], [picture]).pixels == 8
    picture[..., :8, :8] = torch.rand(1, 3, 8, 8)  # nothing that the tile in the middle could see
    assert measure_halo([_far_sighted(40)], [picture]).pixels > 8


def test_tiles_that_no_halo_makes_equal_to_the_whole_are_blended_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "_CANDIDATES", (8, 16))
    halo = measure_halo([_far_sighted(40)], [])  # without pictures, on noise
    assert halo.pixels == 16
    assert halo.error > 0.5 / 255
    file = tmp_path / "far.safetensors"
    metadata = export(build_generator("espcn").eval(), halo, Description(title="far"), file, Benchmarks())
    assert read_metadata(file).blend == 16
    assert "even with 16 pixels around them" in tiles_in_words(metadata)
    assert "blended over 16 px" in file.with_suffix(".md").read_text(encoding="utf-8")


def test_the_middle_of_a_pair_is_judged_with_its_detailed_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    faithful, detailed = (build_generator("compact", SIZES).eval() for _ in range(2))
    judged: list[list[Generator]] = []
    monkeypatch.setattr(exporting, "measure_halo", lambda generators, pictures: judged.append(generators))
    paths = [tmp_path / f"small-{kind}.safetensors" for kind in ("faithful", "detailed")]
    for path in paths:
        halo_of(detailed, path, Benchmarks(), torch.device("cpu"))
        _export(faithful, paths[0])
    assert [len(generators) for generators in judged] == [1, 2]
    ends = [next(each.parameters()) for each in (faithful, detailed)]
    torch.testing.assert_close(next(judged[1][1].parameters()), (ends[0] + ends[1]) / 2)
