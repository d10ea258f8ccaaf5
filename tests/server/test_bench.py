"""`neural-upscale bench`: figures that can be read by a program, and operations counted right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import weights
from server.cli.bench import command as bench
from server.cli.bench.rates import operations_per_pixel
from tests.server.in_process import save_compact


def test_operations_are_those_of_the_convolutions() -> None:
    generator = weights.build_generator("compact", {"features": 16, "layers": 4})
    assert operations_per_pixel(generator) == 2 * 9 * (3 * 16 + 4 * 16 * 16 + 16 * 12)
    espcn = weights.build_generator("espcn", {})
    convolutions = [each for each in espcn.modules() if isinstance(each, torch.nn.Conv2d)]
    assert operations_per_pixel(espcn) == 2 * sum(each.weight.numel() for each in convolutions)


def test_figures_come_as_json_and_the_server_is_measured_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save_compact(tmp_path, "small", gain=0.1)
    words = ["--json", "--model", "small", "--weights", str(tmp_path), "--tile", "40", "--patience", "0.01"]
    assert bench.main([*words, "--megapixels", "0.05", "--engine", "torch"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["machine"]["rates"]["float32"]["matrix"] > 0
    assert [each["engine"] for each in told["models"] if each["dtype"] == "float32"] == ["torch", "winograd"]
    passage = told["server"][0]
    assert passage["megapixels"] == pytest.approx(0.05, rel=0.05)
    assert 0 < passage["first_bytes_seconds"] <= passage["seconds"]
    assert passage["resident_bytes"] > 0
    fastest = max(each["megapixels_per_second"] for each in told["models"])
    assert passage["times_bare"] == pytest.approx(fastest / passage["megapixels_per_second"], rel=0.02)


def test_an_unknown_model_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--model", "nonsense", "--patience", "0.01", "--no-server"]) == 1
    assert "nonsense" in capsys.readouterr().err
