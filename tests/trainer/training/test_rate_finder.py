"""`train --lr-find`: rates are tried, one is proposed, nothing is written."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from tests.trainer.conftest import TINY
from trainer.cli.main import main
from trainer.data.patch_set import FORMAT, MANIFEST, PatchSet, patch_path
from trainer.training.rate_finder import HIGHEST, LOWEST, STEPS, proposal, rates


def test_rates_rise_evenly_from_the_lowest_to_the_highest() -> None:
    tried = [math.log(rate) for rate in rates()]
    assert len(tried) == STEPS
    assert (tried[0], tried[-1]) == pytest.approx((math.log(LOWEST), math.log(HIGHEST)))
    assert tried[1] - tried[0] == pytest.approx(tried[-1] - tried[-2])


def test_a_tenth_of_the_best_rate_is_proposed_to_one_digit() -> None:
    assert proposal([(1e-4, 1.0), (6.3e-3, 0.5), (1e-2, 0.6)]) == pytest.approx(6e-4)


def test_the_command_proposes_a_rate_at_which_the_loss_falls_and_leaves_the_run_folder_alone(
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
    flat = {"expansion": 0} | {name: value for name, value in TINY.items() if name != "generator"}
    text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in flat.items())
    settings.write_text(f"{text}[generator]\nfeatures = 8\nlayers = 2\n", encoding="utf-8")
    words = ["train", str(patches), "--run-dir", str(run), "--config", str(settings)]
    assert main([*words, "--lr-find", "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    rows = re.findall(r"^ *(\d\.\de-\d\d) +(\d\.\d{4})$", printed, re.MULTILINE)
    assert len(rows) >= 10
    assert float(rows[0][1]) == pytest.approx(1, rel=0.02)  # of what it is untrained
    found = re.search(r"proposed: --learning-rate ([\d.e-]+)$", printed.strip())
    assert found is not None
    assert 1e-6 < float(found[1]) < 0.1
    assert min(float(loss) for rate, loss in rows if float(rate) <= 10 * float(found[1])) < 0.97
    assert not run.exists()
