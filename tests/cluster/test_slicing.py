"""`slice --workers ray` in a real cluster: the folder of a run on one machine, to the byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cluster.ray_cluster import RayCluster
from tests.import_graph import ROOT
from trainer.data.patch_set import MANIFEST
from trainer.data.slicing.cutting import RECORD, SlicingConfig
from trainer.data.slicing.ray_pool import cut_bytes
from trainer.data.slicing.slicer import slice_photos

pytestmark = pytest.mark.timeout(900)  # Ray starts slowly on a machine full of other tests


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of several sizes in a tree; one flat, one too small, one that is none, one that is there twice."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(11)
    (folder / "trip").mkdir()
    for number, (height, width) in enumerate([(520, 600), (300, 700), (256, 256)]):
        Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)).save(folder / "trip" / f"{number}.png")
    (folder / "copy.png").write_bytes((folder / "trip" / "2.png").read_bytes())
    Image.new("RGB", (400, 400), (90, 90, 90)).save(folder / "flat.png")
    Image.new("RGB", (40, 30)).save(folder / "small.jpg")
    (folder / "notes.txt").write_text("no photo")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sliced(photos: Path, out: Path, address: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trainer", "slice", str(photos), "--out", str(out)]
    command += ["--workers", "ray", "--ray-address", address]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200, check=False)


def test_a_cluster_gives_the_patches_the_manifest_and_the_hash_of_one_machine(
    cluster: RayCluster, photos: Path, tmp_path: Path
) -> None:
    local = slice_photos(photos, tmp_path / "local")
    done = sliced(photos, tmp_path / "spread", cluster.address, cluster.environment)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "spread") == contents(tmp_path / "local")
    manifest = json.loads((tmp_path / "spread" / MANIFEST).read_text())
    assert manifest["hash"] == local.manifest["hash"]
    assert set(manifest["skipped"]) == {"flat.png", "small.jpg", "notes.txt"}


def test_what_is_cut_elsewhere_leaves_nothing_there(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    found = cut_bytes("2.png", (photos / "trip" / "2.png").read_bytes(), SlicingConfig())
    assert RECORD in found
    assert list(tmp_path.iterdir()) == []


def test_without_a_cluster_the_address_is_named(photos: Path, tmp_path: Path) -> None:
    done = sliced(photos, tmp_path / "out", "127.0.0.1:9", dict(os.environ))
    assert done.returncode == 1
    assert "no Ray cluster can be joined at 127.0.0.1:9" in done.stderr
