"""Decoded patches: the same batches from one file that all processes share, or a sentence and the PNG files."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.trainer.conftest import tiny
from trainer.data.batches import PatchBatches, batches
from trainer.data.decoded_patches import PATCH_BYTES, decoded_file, find_decoded, make_decoded
from trainer.data.patch_set import PatchSet
from trainer.training.session import train_pixel_phase

resource = pytest.importorskip("resource")  # not on Windows
CPU = torch.device("cpu")


def _make(patch_set: PatchSet, logged: list[str]) -> Path | None:
    return make_decoded(patch_set, logged.append, 16 << 30)


@pytest.mark.parametrize(
    "values", [{}, {"degradation": "photo"}, {"twice": True}, {"degradation": "photo", "device_degradation": True}]
)
def test_batches_of_decoded_patches_are_those_of_png_files_to_the_bit(
    patch_set: PatchSet, values: dict[str, object]
) -> None:
    logged: list[str] = []
    file = _make(patch_set, logged)
    assert logged == []
    config = tiny(**values)
    from_png, from_file = PatchBatches(patch_set.train, config), PatchBatches(patch_set.train, config, decoded=file)
    for step in range(4):
        one, other = from_png[step], from_file[step]
        if isinstance(one, tuple):
            assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
        else:
            assert torch.equal(one.high_res, other.high_res)
            assert (one.corners, one.degradations) == (other.corners, other.degradations)


def test_several_loaders_read_the_same_file_in_any_order(patch_set: PatchSet) -> None:
    file = _make(patch_set, [])
    for picture in patch_set.train:
        picture.unlink()  # nobody goes back to them
    config = tiny(pixel_steps=6, loader_workers=2)
    alone = PatchBatches(patch_set.train, config, decoded=file)
    for step, batch in enumerate(batches(patch_set.train, config, 0, decoded=file)):
        assert all(torch.equal(a, b) for a, b in zip(batch, alone[step], strict=True))


def test_it_is_made_once_and_never_taken_for_another_set_s(patch_set: PatchSet) -> None:
    file = _make(patch_set, [])
    assert file is not None
    stamp = file.stat().st_mtime_ns
    assert _make(patch_set, []) == file
    assert file.stat().st_mtime_ns == stamp
    others = replace(patch_set, hash="another", train=patch_set.train[:2])
    assert find_decoded(others) is None
    assert _make(others, []) == decoded_file(others)
    assert not file.exists()  # its patches are no longer in this folder


def test_a_file_cut_short_and_what_a_killed_run_left_are_replaced(patch_set: PatchSet) -> None:
    file = decoded_file(patch_set)
    file.write_bytes(b"x" * 100)
    abandoned, growing = (file.with_name(f".{file.name}.{number}") for number in (1, 2))  # as `replacing` names them
    for path in (abandoned, growing):
        path.write_bytes(b"x")
    os.utime(abandoned, (time.time() - 3600,) * 2)
    assert find_decoded(patch_set) is None
    assert _make(patch_set, []) == file
    assert file.stat().st_size == 4 * PATCH_BYTES
    assert not abandoned.exists()
    assert growing.exists()


def test_a_disk_without_room_is_told_and_nothing_is_left(patch_set: PatchSet, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    assert make_decoded(patch_set, logged.append, limit=PATCH_BYTES) is None
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1 << 30))
    assert _make(patch_set, logged) is None
    monkeypatch.undo()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * PATCH_BYTES, limits[1]))
    try:
        assert _make(patch_set, logged) is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    for sentence, reason in zip(
        logged,
        (
            "0.0 GiB, more than 0.0 GiB, see --decoded-limit",
            "1.0 GiB must be free on the disk of",
            "cannot be written (File too large",
        ),
        strict=True,
    ):
        assert reason in sentence
        assert "each is decoded when it is met" in sentence
    assert not list(patch_set.folder.glob("*.pixels*"))


def test_a_training_makes_the_file_where_patches_are_met_again_and_goes_on_without(
    patch_set: PatchSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_pixel_phase(patch_set, tiny(pixel_steps=2), tmp_path / "short", CPU)
    assert find_decoded(patch_set) is None
    train_pixel_phase(patch_set, tiny(pixel_steps=4, decoded_limit=0), tmp_path / "none", CPU)
    assert find_decoded(patch_set) is None
    assert '"logged"' not in (tmp_path / "none" / "metrics.jsonl").read_text()  # it is what was asked for
    with_file = train_pixel_phase(patch_set, tiny(pixel_steps=4), tmp_path / "run", CPU)
    file = find_decoded(patch_set)
    assert file is not None
    file.unlink()
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=0))
    without = train_pixel_phase(patch_set, tiny(pixel_steps=4), tmp_path / "full", CPU)
    lines = [json.loads(line) for line in (tmp_path / "full" / "metrics.jsonl").read_text().splitlines()]
    assert any("decoded when it is met" in line.get("logged", "") for line in lines)
    for one, other in zip(with_file.average.parameters(), without.average.parameters(), strict=True):
        assert torch.equal(one, other)
