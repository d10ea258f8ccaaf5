"""Export: nothing takes a file's place that was not read back and compared."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from trainer.errors import TrainingError
from trainer.export import export as exporting
from trainer.export.benchmarks import Benchmarks
from trainer.export.card import Description
from trainer.export.export import export
from trainer.metrics.halo import Halo, measure_halo
from weights import Generator, build_generator, load_generator, read_metadata

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
    assert measure_halo(compact, pictures) == Halo(compact.receptive_radius, 0.0)
    deep = build_generator("dilated_rrdb", {"features": 8, "growth": 8, "blocks": 2, "pairs": 2}).eval()
    halo = measure_halo(deep, pictures)
    assert halo.pixels <= deep.receptive_radius
    assert 0 <= halo.error <= 0.5 / 255
