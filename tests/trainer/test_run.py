"""`run`: from eight small pictures to a pair that the running server offers; and the other commands' words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import requests
import torch
from PIL import Image

from server.settings import user_weights_folder as server_folder
from trainer.cli.main import main
from trainer.errors import ConfigError
from trainer.folders import user_weights_folder
from trainer.metrics.demo import most_detailed
from trainer.nets.feature_networks import build_feature_network
from trainer.run import Job
from weights import WeightsMetadata, build_generator, load_generator, read_metadata, save_generator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight small pictures of rectangles, and one broken file."""
    folder = tmp_path / "My photos"
    folder.mkdir()
    for seed in range(8):
        random = np.random.default_rng(seed)
        picture = np.full((300, 330, 3), random.integers(0, 256, 3), np.uint8)
        for _ in range(80):
            top, left, height, width = random.integers(0, 250), random.integers(0, 280), *random.integers(4, 60, 2)
            picture[top : top + height, left : left + width] = random.integers(0, 256, 3)
        Image.fromarray(picture).save(folder / f"{seed}.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


@pytest.fixture
def feature_weights(tmp_path: Path) -> Path:
    """A feature network with random weights: what counts here is that it is used."""
    torch.manual_seed(0)
    torch.save(build_feature_network("squeezenet").state_dict(), tmp_path / "squeezenet.pth")
    return tmp_path / "squeezenet.pth"


def _words(photos: Path, weights: Path, tmp_path: Path) -> list[str]:
    return [
        "run", str(photos), "--name", "mine", "--run-dir", str(tmp_path / "run"),
        "--weights-dir", str(tmp_path / "weights"), "--device", "cpu", "--processes", "1",
        "--pixel-steps", "6", "--adversarial-steps", "4", "--generator", "features=8,layers=2",
        "--patch-size", "24", "--adversarial-patch-size", "24", "--batch-size", "2", "--adversarial-batch-size", "2",
        "--discriminator-channels", "4", "--loader-workers", "0", "--validation-patches", "2",
        "--checkpoint-every", "2", "--validate-every", "3", "--perceptual-weights", str(weights),
    ]  # fmt: skip


def test_run_makes_a_pair_and_does_nothing_twice(photos: Path, feature_weights: Path, tmp_path: Path) -> None:
    words = _words(photos, feature_weights, tmp_path)
    assert main(words) == 0
    pair = [tmp_path / "weights" / f"mine-{kind}.safetensors" for kind in ("faithful", "detailed")]
    faithful, detailed = (load_generator(file) for file in pair)
    assert faithful.generator.config == detailed.generator.config
    assert not torch.equal(*(next(loaded.generator.parameters()) for loaded in (faithful, detailed)))
    assert detailed.metadata.provenance["phase"] == "adversarial"
    assert detailed.metadata.provenance["command"].startswith("python -m trainer run")
    assert str(tmp_path) not in json.dumps(detailed.metadata.provenance)
    assert detailed.metadata.metrics["validation patches"]["bicubic"] > 10
    assert pair[0].with_suffix(".md").exists()
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").glob("*.pt")}
    assert len(stamps) == 4
    before = [read_metadata(file).sha256 for file in pair]
    assert main(words) == 0
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert [read_metadata(file).sha256 for file in pair] == before


def test_run_goes_on_from_a_weights_file_with_its_generator(
    photos: Path, feature_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = tmp_path / "start.safetensors"
    torch.manual_seed(5)
    generator = build_generator("compact", {"features": 12, "layers": 1})
    save_generator(generator, WeightsMetadata("compact", {}, 2, 3), start)
    words = _words(photos, feature_weights, tmp_path)
    size = words.index("--generator")
    still = ["--learning-rate", "1e-9", "--final-learning-rate", "1e-9", "--start", str(start)]
    assert main(words[:size] + words[size + 2 :] + still) == 0
    faithful = load_generator(tmp_path / "weights" / "mine-faithful.safetensors").generator
    assert faithful.config == generator.config
    pairs = zip(faithful.parameters(), generator.parameters(), strict=True)
    assert all(torch.allclose(one, other, atol=1e-6) for one, other in pairs)
    assert main([*words, "--start", str(start)]) == 1
    assert "set --architecture and --generator accordingly" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_run_killed_at_any_point_goes_on_to_the_same_pair(photos: Path, feature_weights: Path, tmp_path: Path) -> None:
    threads = str(torch.get_num_threads())  # with another number, sums are made in another order and round differently
    words = _words(photos, feature_weights, tmp_path)
    assert main(words) == 0
    expected = [read_metadata(file).sha256 for file in sorted((tmp_path / "weights").glob("*.safetensors"))]
    again = [word.replace(str(tmp_path / "run"), str(tmp_path / "again")) for word in words]
    again = [word.replace(str(tmp_path / "weights"), str(tmp_path / "other")) for word in again]
    for landmark in ("patches/.parts", "pixel.pt", "adversarial.pt"):
        child = subprocess.Popen(
            [sys.executable, "-m", "trainer", *again], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": threads},
        )  # fmt: skip
        deadline = time.monotonic() + 300
        while not (tmp_path / "again" / landmark).exists() and child.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert main(again) == 0
    got = [read_metadata(file).sha256 for file in sorted((tmp_path / "other").glob("*.safetensors"))]
    assert got == expected


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_running_server_answers_with_the_new_model(photos: Path, feature_weights: Path, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    runtime = tmp_path / "state" / "runtime.json"
    environment = os.environ | {"NEURAL_UPSCALE_RUNTIME": str(runtime), "OMP_NUM_THREADS": "1"}
    with (tmp_path / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "server", "--port", "0", "--weights", str(tmp_path / "weights")],
            cwd=ROOT, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 300
        while not runtime.exists():
            assert server.poll() is None, (tmp_path / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        told = json.loads(runtime.read_text())
        head = {"Authorization": f"Bearer {told['token']}"}
        asked = {"width": 8, "height": 6, "layout": "RGB", "depth": "u8", "model": "mine", "detail": "0.5"}
        pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8).tobytes()
        upscale = told["url"].rstrip("/") + "/v1/upscale"
        octets = head | {"Content-Type": "application/octet-stream"}
        assert requests.post(upscale, params=asked, data=pixels, headers=octets, timeout=60).status_code in (400, 404)
        assert main(_words(photos, feature_weights, tmp_path)) == 0
        answer = requests.post(upscale, params=asked, data=pixels, headers=octets, timeout=120)
        assert answer.status_code == 200, answer.text
        assert len(answer.content) == 16 * 12 * 3
    finally:
        server.terminate()
        server.wait(30)


def test_weights_that_are_missing_are_told_before_anything_is_done(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_words(photos, tmp_path / "none.pth", tmp_path)) == 1
    assert "none.pth does not exist" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_run_folder_of_other_photos_is_refused(
    photos: Path, feature_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = _words(photos, feature_weights, tmp_path)
    assert main(words) == 0
    (photos / "0.png").unlink()
    assert main(words) == 1
    assert "holds patches of other photos" in capsys.readouterr().err


@pytest.mark.parametrize("taken", ["weights/", "weights.py"])
def test_it_starts_in_a_folder_that_holds_things_named_like_our_packages(tmp_path: Path, taken: str) -> None:
    if taken.endswith("/"):
        (tmp_path / taken).mkdir()
    else:
        (tmp_path / taken).write_text("raise SystemExit('the wrong weights')", encoding="utf-8")
    words = ["evaluate", "none.safetensors", "--images", "."]
    done = subprocess.run(
        [sys.executable, "-m", "trainer", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert "none.safetensors cannot be read" in done.stderr, done.stderr


def test_names_that_no_pair_can_have_are_refused(tmp_path: Path) -> None:
    assert Job.of(tmp_path / "Ferien 2024 (Süd)").name == "ferien-2024-s-d"
    assert Job.of(tmp_path, "mine").run_dir == Path("runs/mine")
    for name in ("Mine", "a/b", "mine-faithful", "-x"):
        with pytest.raises(ConfigError, match="choose another name"):
            Job.of(tmp_path, name)


def test_trainer_and_server_mean_the_same_folder() -> None:
    for environment in ({}, {"XDG_DATA_HOME": "/data"}):
        assert user_weights_folder(environment) == server_folder(environment)


def test_slice_lists_what_it_skips(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["slice", str(photos), "--out", str(tmp_path / "out"), "--processes", "1", "--reduce", "Noisy 9=2"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "skipped broken.jpg:" in out
    assert "7 patches to train on, 1 to validate" in out or "6 patches to train on, 2 to validate" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--reduce", "Noisy"], "MODEL=2 was expected"),
        (["--reduce", "Noisy=1"], "MODEL=2 was expected"),
        (["--reductions", "1,x"], "whole numbers like 1,2,4,8 were expected"),
    ],
)
def test_flags_in_another_form_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit):
        main(["slice", str(tmp_path), "--out", str(tmp_path / "out"), *words])
    assert sentence in capsys.readouterr().err


def test_faults_of_slicing_are_named_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--stride", "0", "--validation-share", "2", "--processes", "0"]
    assert main(["slice", str(tmp_path), "--out", str(tmp_path / "out"), *words]) == 1
    told = capsys.readouterr().err
    assert all(flag in told for flag in ("--stride", "--validation-share", "--processes"))


def test_a_device_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--images", str(tmp_path), "--device", "warp"]) == 1
    assert main(["export", str(tmp_path), "--to", str(tmp_path / "x.safetensors"), "--device", "warp"]) == 1
    assert capsys.readouterr().err.count("--device warp cannot be used") == 2


def test_demo_shows_original_bicubic_and_each_generator(
    photos: Path, feature_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(_words(photos, feature_weights, tmp_path)) == 0
    (photos / "broken.jpg").unlink()
    files = [str(file) for file in sorted((tmp_path / "weights").glob("*.safetensors"))]
    words = ["demo", *files, "--images", str(photos), "--out", str(tmp_path / "demo"), "--side", "64"]
    assert main(words) == 0
    assert capsys.readouterr().out.count("-demo.png") == 8
    with Image.open(tmp_path / "demo" / "0-demo.png") as strip:
        assert strip.size == (4 * 64, 64 + 14)


def test_the_most_detailed_part_is_shown() -> None:
    picture = np.zeros((80, 90, 3), np.uint8)
    picture[50:66:2, 60:76] = 255
    row, column = most_detailed(picture, 20)
    assert 46 <= row <= 51
    assert 56 <= column <= 61
    assert most_detailed(picture, 200) == (0, 0)
