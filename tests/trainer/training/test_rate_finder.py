"""`train --lr-find`: rates are tried, one is proposed, nothing is written."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import TINY, tiny
from trainer.cli.main import main
from trainer.data.patch_set import FORMAT, MANIFEST, PatchSet, patch_path
from trainer.training.rate_finder import HIGHEST, LOWEST, STEPS, proposal, range_test, rates


def test_rates_rise_evenly_from_the_lowest_to_the_highest() -> None:
    tried = [math.log(rate) for rate in rates()]
    assert len(tried) == STEPS
    assert (tried[0], tried[-1]) == pytest.approx((math.log(LOWEST), math.log(HIGHEST)))
    assert tried[1] - tried[0] == pytest.approx(tried[-1] - tried[-2])


def test_a_tenth_of_the_best_rate_is_proposed_to_one_digit() -> None:
    assert proposal([(1e-4, 1.0), (6.3e-3, 0.5), (1e-2, 0.6)]) == pytest.approx(6e-4)


def test_the_proposal_lies_where_the_loss_falls_and_below_where_the_training_breaks_down(patch_set: PatchSet) -> None:
    found = range_test(patch_set, tiny(batch_size=4), torch.device("cpu"))
    assert found[0][1] == pytest.approx(1, rel=0.02)  # of what it is untrained
    rate = proposal(found)
    assert 3e-5 < rate < 0.03
    assert min(found, key=lambda pair: abs(math.log(pair[0] / rate)))[1] < 0.95


def test_the_command_prints_a_table_and_leaves_the_run_folder_alone(
    patch_set: PatchSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patches, run = tmp_path / "patches", tmp_path / "run"
    for number, file in enumerate(patch_set.train):
        target = patch_path(patches, "train", number)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
    manifest = {"format": FORMAT, "counts": {"train": len(patch_set.train), "validation": 0}, "hash": "of-four"}
    (patches / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    settings = tmp_path / "tiny.toml"
    flat = {name: value for name, value in TINY.items() if name != "generator"}
    settings.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in flat.items()), encoding="utf-8")
    words = [
        "train",
        str(patches),
        "--run-dir",
        str(run),
        "--config",
        str(settings),
        "--generator",
        "features=8,layers=2",
    ]
    assert main([*words, "--lr-find", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert len(re.findall(r"^ *\d\.\de-\d\d +\d\.\d{4}$", printed, re.MULTILINE)) >= 10
    assert re.search(r"proposed: --learning-rate [\d.e-]+$", printed.strip())
    assert not run.exists()
