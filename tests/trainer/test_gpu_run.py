"""The half hour on a lent GPU, rehearsed on the processor: parts, clock, kill, resume, shipping."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tests.trainer.conftest import tiny
from trainer.checkpoint import load_checkpoint
from trainer.degradation.degrade import Degradation, apply
from trainer.errors import TravelError
from trainer.gpu.bank import Ahead, PatchBank, load_pictures
from trainer.gpu.cli import main
from trainer.gpu.packing import pack, unpack_state
from trainer.gpu.travel import join_file, missing_files, split_file, split_folder, unpack
from trainer.gpu.trial import Trial, read_trials
from trainer.patches import PatchSet
from trainer.phase import Phase
from trainer.pixel import PixelPhase
from trainer.watching import Watcher, read_record
from weights import load_generator

CPU = torch.device("cpu")
PROJECT = Path(__file__).parents[2]
SETTINGS = {
    "--preset": "compact-h200",
    "--generator": "features=8,layers=2",
    "--patch-size": "16",
    "--batch-size": "2",
    "--warm-up-steps": "2",
    "--validation-patches": "2",
    "--perceptual-network": "none",
    "--discriminator-channels": "4",
    "--precision": "float32",
    "--device": "cpu",
    "--validate-seconds": "0.5",
    "--checkpoint-seconds": "0.2",
}
TINY_FLAGS = [word for pair in SETTINGS.items() for word in pair] + ["--no-compile"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five photos of noise and edges, large enough for a few patches."""
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(5)
    for number in range(5):
        small = random.integers(0, 256, (190, 190, 3), dtype=np.uint8)
        Image.fromarray(small).resize((570, 570), Image.Resampling.NEAREST).save(folder / f"{number}.png")
    return folder


def _train(phase: str, run: Path, *words: str, minutes: float = 0.06) -> list[str]:
    return [phase, "--run", str(run), "--minutes", str(minutes), *TINY_FLAGS, *words]


def _step(run: Path, phase: str = "pixel") -> int:
    state = load_checkpoint(run / f"{phase}.pt")
    return int(state["step"]) if state else 0


def test_a_folder_travels_in_parts_and_knows_what_is_still_to_come(photos: Path, tmp_path: Path) -> None:
    largest = max(path.stat().st_size for path in photos.iterdir())
    parts = split_folder(photos, tmp_path / "travel", 2 * largest)
    assert len(parts) > 1
    assert all(sum(path.stat().st_size for path in part.glob("*.png")) <= 2 * largest for part in parts)
    unpack(parts[0], tmp_path / "there")
    assert missing_files(tmp_path / "there") == [path.name for part in parts[1:] for path in sorted(part.glob("*.png"))]
    for part in parts:
        unpack(part, tmp_path / "there")
    assert missing_files(tmp_path / "there") == []
    assert all((tmp_path / "there" / path.name).read_bytes() == path.read_bytes() for path in photos.iterdir())


def test_training_before_all_photos_have_come_is_refused_with_the_remedy(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = split_folder(photos, tmp_path / "travel", max(path.stat().st_size for path in photos.iterdir()))
    main(["unpack", str(parts[0]), "--run", str(tmp_path / "run")])
    assert main(_train("faithful", tmp_path / "run", "--schedule-minutes", "1")) == 1
    assert "lacks 4 photos" in capsys.readouterr().err


def test_a_file_comes_back_from_parts_of_several_calls_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(1000)
    (tmp_path / "whole.bin").write_bytes(content)
    first = split_file(tmp_path / "whole.bin", tmp_path / "back", 300, 0, 2)
    assert [path.name for path in first] == ["whole.bin.000", "whole.bin.001", "whole.bin.json"]
    with pytest.raises(TravelError, match=r"also lists whole\.bin\.002, whole\.bin\.003"):
        join_file(tmp_path / "back" / "whole.bin.json", tmp_path / "joined")
    split_file(tmp_path / "whole.bin", tmp_path / "back", 300, 2, 2)
    assert join_file(tmp_path / "back" / "whole.bin.json", tmp_path / "joined").read_bytes() == content
    (tmp_path / "back" / "whole.bin.001").write_bytes(b"x" * 300)
    with pytest.raises(TravelError, match="another hash"):
        join_file(tmp_path / "back" / "whole.bin.json", tmp_path / "joined")


def test_a_packed_state_keeps_all_that_was_asked_for(patch_set: PatchSet, tmp_path: Path) -> None:
    phase = PixelPhase(tiny(), CPU)
    bank = PatchBank(load_pictures(patch_set.train, CPU), phase.config)
    for step in range(3):
        phase.move(bank.batch(step))
    state = phase.state()
    sizes = {}
    for keep in ("average", "generator", "all"):
        pack(state, tmp_path / f"{keep}.safetensors", keep)
        sizes[keep] = (tmp_path / f"{keep}.safetensors").stat().st_size
        back = unpack_state(tmp_path / f"{keep}.safetensors")
        assert back["step"] == 3
        assert _close(back["average"], state["average"], 0 if keep == "all" else 1e-3)
        assert ("optimizer" in back, "generator" in back) == (keep == "all", keep != "average")
    assert sizes["average"] < sizes["generator"] < sizes["all"]
    other = PixelPhase(tiny(), CPU)
    other.restore(unpack_state(tmp_path / "all.safetensors"), tmp_path)
    moments = other.optimizer.state_dict()["state"][0]["exp_avg_sq"]
    assert torch.allclose(moments, state["optimizer"]["state"][0]["exp_avg_sq"], rtol=1e-2, atol=0)
    assert all(torch.isfinite(value) for value in other.move(bank.batch(3)).values())


def _close(ours: dict[str, Tensor], theirs: dict[str, Tensor], tolerance: float) -> bool:
    return all(torch.allclose(ours[name], theirs[name], atol=tolerance, rtol=tolerance) for name in theirs)


@pytest.mark.parametrize("mode", ["bicubic", "photo"])
def test_a_bank_s_low_res_is_the_reduction_of_its_high_res(patch_set: PatchSet, mode: str) -> None:
    config = tiny(batch_size=16, degradation=mode, noise_probability=0.0, jpeg_probability=0.0, blur_probability=0.0)
    low_res, high_res = PatchBank(load_pictures(patch_set.train, CPU), config).batch(7)
    assert low_res.shape == (16, 3, 16, 16)
    assert high_res.shape == (16, 3, 32, 32)
    inner = (slice(4, -4), slice(4, -4))  # the edges were reduced with their surroundings
    off = []
    for low, high in zip(_bytes(low_res), _bytes(high_res), strict=True):
        reduced = apply(high, Degradation()).astype(int)
        off.append(np.abs(reduced[inner] - low[inner]).max())
    assert min(off) <= 1
    assert mode == "photo" or max(off) <= 1


def test_a_bank_s_batches_depend_on_seed_and_step_and_meet_every_turn(patch_set: PatchSet) -> None:
    pictures = load_pictures(patch_set.train, CPU)
    one, other = PatchBank(pictures, tiny()), PatchBank(pictures, tiny())
    ahead = Ahead(one, 4)
    for step in (4, 5, 9, 4):
        assert all(torch.equal(a, b) for a, b in zip(ahead.take(step), other.batch(step), strict=True))
    assert not torch.equal(one.batch(5)[0], PatchBank(pictures, tiny(seed=2)).batch(5)[0])
    whole = PatchBank(pictures[:1], tiny(patch_size=128, batch_size=64)).batch(0)[1]
    plain = pictures[0].float() / 255
    turned = [torch.rot90(side, turn, (1, 2)) for side in (plain, plain.flip(2)) for turn in range(4)]
    found = {number for number, side in enumerate(turned) for picture in whole if torch.equal(picture, side)}
    assert found == set(range(8))


def _bytes(pictures: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return (pictures * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def test_a_trial_that_takes_too_long_is_ended_and_eager_torch_is_used(tmp_path: Path) -> None:
    trial = Trial(tmp_path, tiny(), CPU)
    assert trial.process is not None
    try:
        assert not trial.pays(0.0)
    finally:
        trial.close()
    assert trial.process.poll() is not None
    assert read_trials(tmp_path)[trial.key]["why"] == "not done after 0 s"
    again = Trial(tmp_path, tiny(), CPU)
    assert again.process is None
    assert not again.pays(0.0)


def test_the_half_hour_survives_a_kill_and_goes_on_from_parts_on_another_machine(photos: Path, tmp_path: Path) -> None:
    run, home, other = tmp_path / "run", tmp_path / "home", tmp_path / "other"
    (run / "photos").parent.mkdir()
    photos.rename(run / "photos")
    schedule = ("--schedule-minutes", "0.2")
    _kill_in_the_middle(run, schedule)
    killed = _step(run)
    assert killed > 0
    Watcher(tmp_path / "elsewhere", PixelPhase(tiny(), CPU).name).close()  # loads what takes seconds to load
    back = ("--out", str(home), "--part-mib", "0.005")
    rates: list[float] = []
    for minutes in (0.15, 0.5, 1.5):  # a busy machine may need longer to come to its first step
        assert main(_train("faithful", run, *schedule, "--ends-here", *back, minutes=minutes)) == 0
        rates = [line["learning_rate"] for line in read_record(run) if "learning_rate" in line]
        if len(rates) > 1:
            break
    assert _step(run) > killed
    assert rates[-1] < 0.2 * max(rates)

    parts = sorted(home.glob("pixel-average.safetensors.0*"))
    assert len(parts) > 1
    main(["pack", "pixel", "--run", str(run), "--out", str(home), "--part-mib", "0.005", "--parts", "99"])
    main(["join", str(home / "pixel-average.safetensors.json"), "--to", str(home)])
    main(["take-up", str(home / "pixel-average.safetensors"), "--run", str(other)])
    (run / "photos").rename(other / "photos")
    before = _step(other)
    assert main(_train("faithful", other, "--schedule-minutes", "0.4")) == 0
    assert _step(other) > before == _step(run)
    assert main(_train("adversarial", other, *schedule)) == 0
    assert _step(other, "adversarial") > 0
    _shipped(other, tmp_path / "weights", tmp_path)


def _kill_in_the_middle(run: Path, schedule: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "trainer.gpu", *_train("faithful", run, *schedule, minutes=5)]
    process = subprocess.Popen(command, cwd=PROJECT, start_new_session=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    try:
        deadline = time.monotonic() + 120
        while _step(run) < 2 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        assert process.poll() is None
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _shipped(run: Path, target: Path, tmp_path: Path) -> None:
    benchmarks = tmp_path / "bench"
    (benchmarks / "Tiny").mkdir(parents=True)
    for number in range(2):
        picture = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(picture).resize((96, 96)).save(benchmarks / "Tiny" / f"{number}.png")
    for phase, name in (("pixel", "faithful"), ("adversarial", "detailed")):
        words = ["ship", phase, "--run", str(run), "--to", str(target / f"tiny-{name}.safetensors"), "--device", "cpu"]
        assert main([*words, "--benchmarks", str(benchmarks), "--out", str(tmp_path / "out")]) == 0
    loaded = load_generator(target / "tiny-faithful.safetensors")
    assert loaded.metadata.metrics["Tiny"]["pictures"] == 2
    assert loaded.metadata.provenance["steps"] == _step(run)
    assert (target / "tiny-faithful.safetensors").stat().st_size < 10_000  # half precision


def test_values_that_are_not_finite_are_never_kept(patch_set: PatchSet, tmp_path: Path) -> None:
    from trainer.gpu.timed import Pace, TimedLoop
    from trainer.validation import Validator

    config = tiny()
    phase: Phase = PixelPhase(config, CPU)
    bank = PatchBank(load_pictures(patch_set.train, CPU), config)
    spoilt: list[int] = []

    def source(step: int) -> tuple[Tensor, Tensor]:
        low_res, high_res = bank.batch(step)
        if step > 8 and spoilt:
            loop.stop()
        if step == 5 and not spoilt:
            spoilt.append(step)
            return low_res * float("nan"), high_res
        return low_res, high_res

    pace = Pace(time.monotonic() + 200, 200.0, validate_every=0.3, checkpoint_every=0.1)
    validator = Validator(patch_set.validation, config, CPU, None)
    loop = TimedLoop(phase, source, patch_set, tmp_path, validator, pace, lambda sentence: None)
    loop.train()
    assert spoilt
    assert (phase.setbacks, phase.rate_factor) == (1, 0.5)
    assert phase.step > 5
    state = load_checkpoint(tmp_path / "pixel.pt")
    assert state is not None
    assert all(torch.isfinite(tensor).all() for tensor in state["average"].values())
