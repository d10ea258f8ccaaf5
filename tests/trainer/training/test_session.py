"""The pixel phase: learns, resumes exactly, refuses foreign checkpoints."""

import json
import subprocess
import sys
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.import_graph import ROOT
from tests.trainer.conftest import take_step, tiny
from trainer import run_folder
from trainer.data.batches import PatchBatches, reduce_patch
from trainer.data.degradation.degrade import rescaled
from trainer.data.patch_set import PatchSet
from trainer.errors import CheckpointError, TrainingError
from trainer.metrics.pictures import bicubic, enlarge_pixels
from trainer.metrics.psnr_ssim import luma_psnr
from trainer.optim.schedules import learning_rate_share
from trainer.run_folder import trained_generator
from trainer.training import loop as looping
from trainer.training.checkpoint import save_checkpoint
from trainer.training.log import read_record
from trainer.training.loop import Loop
from trainer.training.pixel_step import PixelPhase
from trainer.training.session import train_pixel_phase
from trainer.training.validation import Validation, Validator
from weights import WeightsMetadata, build_generator, save_generator

CHECKPOINT = "pixel.pt"
CPU = torch.device("cpu")


def test_a_batch_depends_on_seed_and_step_alone(patch_set: PatchSet) -> None:
    first, second = PatchBatches(patch_set.train, tiny()), PatchBatches(patch_set.train, tiny())
    second[3], second[0]
    assert all(torch.equal(a, b) for a, b in zip(first[5], second[5], strict=True))
    other_seed = PatchBatches(patch_set.train, tiny(seed=2))
    assert not torch.equal(first[5][0], other_seed[5][0])


@pytest.mark.parametrize("rescaled", [0.0, 1.0])
def test_low_res_and_high_res_show_the_same_place(patch_set: PatchSet, rescaled: float) -> None:
    low_res, high_res = PatchBatches(patch_set.train, tiny(rescale_probability=rescaled))[1]
    for low, high in zip(low_res, high_res, strict=True):
        reduced, _ = reduce_patch(high.permute(1, 2, 0).numpy())
        inner = (slice(4, -4), slice(4, -4))  # the crop was reduced with its surroundings
        assert np.abs(reduced[inner].astype(int) - low.permute(1, 2, 0).numpy()[inner]).max() <= 1


def test_permuted_patches_keep_their_pixels_and_meet_all_six_orders_of_colours(patch_set: PatchSet) -> None:
    plain, permuted = (
        PatchBatches(patch_set.train, tiny(permute_probability=share, batch_size=32)) for share in (0.0, 1.0)
    )
    orders = set()
    for before, after in zip(plain[0][1], permuted[0][1], strict=True):
        fitting = [order for order in permutations(range(3)) if torch.equal(before[list(order)], after)]
        assert fitting
        if len(fitting) == 1:  # else grey, which tells nothing apart
            orders.update(fitting)
    assert len(orders) == 6


def test_rescaled_patches_show_a_photo_at_every_scale_down_to_the_whole_patch() -> None:
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (256, 256, 3))
    random = np.random.default_rng(0)
    parts = [rescaled(ramp, 64, random).astype(float) for _ in range(40)]
    assert {part.shape for part in parts} == {(64, 64, 3)}
    slopes = [(part[:, 55] - part[:, 8]).mean() / 47 for part in parts]  # of a ramp that rises by 1 at full size
    assert 1 <= min(slopes) < 1.3
    assert 3.5 < max(slopes) <= 4
    assert rescaled(ramp, 300, random) is ramp


@pytest.mark.parametrize(("optimizer", "consistency"), [("adam", 0.0), ("muon", 0.0), ("adam", 2.0)])
def test_resume_is_exact(patch_set: PatchSet, tmp_path: Path, optimizer: str, consistency: float) -> None:
    config = tiny(
        optimizer=optimizer, consistency_weight=consistency, pixel_steps=20, validate_every=10, checkpoint_every=10
    )
    whole = train_pixel_phase(patch_set, config, tmp_path / "whole", CPU)
    half = PixelPhase(config, CPU)
    reader = PatchBatches(patch_set.train, config)
    for step in range(10):
        take_step(half, reader[step])
    save_checkpoint(half.state(), tmp_path / "halves" / CHECKPOINT)
    resumed = train_pixel_phase(patch_set, config, tmp_path / "halves", CPU)
    assert resumed.step == whole.step == 20
    for name, tensor in whole.average.state_dict().items():
        assert torch.equal(tensor, resumed.average.state_dict()[name]), name
    records = [
        json.loads((tmp_path / run / "metrics.jsonl").read_text().splitlines()[-1]) for run in ("whole", "halves")
    ]
    assert records[0]["validation_psnr"] == records[1]["validation_psnr"]


@pytest.mark.parametrize("expansion", [0, 2])
def test_learned_slopes_of_a_weights_file_are_trained_on(patch_set: PatchSet, tmp_path: Path, expansion: int) -> None:
    generator = build_generator("compact", {"features": 8, "layers": 2})
    with torch.no_grad():
        generator.get_submodule("body.1").weight[0] = 0.4
    file = tmp_path / "learned.safetensors"
    save_generator(generator, WeightsMetadata("", {}, 2, 4), file)
    for steps in (1, 2):  # begun, and taken up again
        train_pixel_phase(patch_set, tiny(expansion=expansion, pixel_steps=steps), tmp_path / "run", CPU, start=file)
    _, plain, _ = trained_generator(tmp_path / "run", "pixel")
    assert float(plain.get_submodule("body.1").weight[0]) == pytest.approx(0.4, abs=5e-3)


def test_a_published_command_names_no_folder_elsewhere(patch_set: PatchSet, tmp_path: Path) -> None:
    words = ["train", "../../dense", "--run-dir", str(tmp_path / "mine"), "--start", "files/start.safetensors"]
    train_pixel_phase(patch_set, tiny(pixel_steps=1), tmp_path / "run", CPU, words)
    command = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))["command"]
    assert command == "python -m trainer train dense --run-dir mine --start files/start.safetensors"


def test_a_tiny_generator_overfits_four_patches_beyond_bicubic(patch_set: PatchSet, tmp_path: Path) -> None:
    config = tiny(
        generator={"features": 16, "layers": 2},
        pixel_steps=350,
        patch_size=24,
        batch_size=4,
        learning_rate=4e-3,
        ema_decay=0.98,
        validate_every=350,
    )
    generator = train_pixel_phase(patch_set, config, tmp_path / "run", CPU).finished()
    reader = PatchBatches(patch_set.train, config)
    gains = []
    for number in range(4):
        low_res, high_res = reduce_patch(reader.patch(number))
        ours, plain = enlarge_pixels(generator, low_res), bicubic(low_res)
        gains.append(luma_psnr(ours, high_res) - luma_psnr(plain, high_res))
    assert float(np.mean(gains)) > 0.3, gains


def test_a_checkpoint_of_other_settings_is_refused(patch_set: PatchSet, tmp_path: Path) -> None:
    train_pixel_phase(patch_set, tiny(pixel_steps=2), tmp_path / "run", CPU)
    with pytest.raises(CheckpointError, match=r"learning_rate: 0\.001.*another run folder"):
        train_pixel_phase(patch_set, tiny(pixel_steps=4, learning_rate=2e-3), tmp_path / "run", CPU)


def test_settings_that_a_phase_does_not_use_may_change(patch_set: PatchSet, tmp_path: Path) -> None:
    train_pixel_phase(patch_set, tiny(pixel_steps=2), tmp_path / "run", CPU)
    other = tiny(pixel_steps=4, perceptual_weight=1.0, energy_weight=1.0, adversarial_patch_size=24, jpeg_lowest=80)
    assert train_pixel_phase(patch_set, other, tmp_path / "run", CPU).step == 4
    photo = {"degradation": "photo", "pixel_steps": 2}
    train_pixel_phase(patch_set, tiny(**photo), tmp_path / "photo", CPU)
    with pytest.raises(CheckpointError, match="jpeg_lowest"):
        train_pixel_phase(patch_set, tiny(**photo, jpeg_lowest=80), tmp_path / "photo", CPU)


def test_a_run_folder_of_other_settings_or_patches_stays_as_it_is(patch_set: PatchSet, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train_pixel_phase(patch_set, tiny(pixel_steps=2), run, CPU)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    with pytest.raises(CheckpointError, match="made with other settings"):
        train_pixel_phase(patch_set, tiny(pixel_steps=4, seed=9), run, CPU)
    with pytest.raises(CheckpointError, match="learned from patches with hash hash-of-six"):
        train_pixel_phase(replace(patch_set, hash="others"), tiny(pixel_steps=4), run, CPU)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_a_second_training_in_a_run_folder_is_refused_until_the_first_one_ends(
    patch_set: PatchSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_folder, "PATIENCE_SECONDS", 0.1)
    run = tmp_path / "run"
    train_pixel_phase(patch_set, tiny(pixel_steps=2), run, CPU)
    hold = "import sys; from pathlib import Path; from trainer.run_folder import locked\n"
    hold += "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(run)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
        with pytest.raises(CheckpointError, match="in use by another training"):
            train_pixel_phase(patch_set, tiny(pixel_steps=4), run, CPU)
        assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
        other.kill()
    assert train_pixel_phase(patch_set, tiny(pixel_steps=4), run, CPU).step == 4


@pytest.mark.parametrize("kept", [0, 100, -50])
def test_a_checkpoint_cut_short_is_named_and_kept(patch_set: PatchSet, tmp_path: Path, kept: int) -> None:
    train_pixel_phase(patch_set, tiny(pixel_steps=2), tmp_path, CPU)
    checkpoint = tmp_path / CHECKPOINT
    checkpoint.write_bytes(checkpoint.read_bytes()[:kept])
    size = checkpoint.stat().st_size
    with pytest.raises(CheckpointError, match="cut short or damaged"):
        train_pixel_phase(patch_set, tiny(pixel_steps=4), tmp_path, CPU)
    assert checkpoint.stat().st_size == size


def test_a_loss_that_is_not_finite_goes_back_thrice_with_half_the_rate_then_gives_up(
    patch_set: PatchSet, tmp_path: Path
) -> None:
    train_pixel_phase(patch_set, tiny(pixel_steps=2), tmp_path, CPU)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    state["generator"]["body.0.plain.weight"][:] = float("nan")
    torch.save(state, tmp_path / CHECKPOINT)
    with pytest.raises(TrainingError, match=r"broke down 4 times.*lower --learning-rate"):
        train_pixel_phase(patch_set, tiny(pixel_steps=4), tmp_path, CPU)
    kept = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert (kept["step"], kept["setbacks"], kept["rate_factor"]) == (2, 3, 0.125)
    logged = [json.loads(line).get("logged", "") for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert sum("back to step 2" in sentence for sentence in logged) == 3


def test_losses_are_read_once_in_a_while_and_all_of_them_count(
    patch_set: PatchSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Loop._read_losses
    counts: list[int] = []

    def counted(loop: Loop) -> None:
        counts.append(len(loop.unread))
        read(loop)

    monkeypatch.setattr(Loop, "_read_losses", counted)
    config = tiny(pixel_steps=45)
    train_pixel_phase(patch_set, config, tmp_path / "seldom", CPU)
    assert [count for count in counts if count] == [20, 20, 5]
    monkeypatch.setattr(looping, "READ_EVERY", 1)
    train_pixel_phase(patch_set, config, tmp_path / "always", CPU)
    seldom, always = (read_record(tmp_path / name)[-1] for name in ("seldom", "always"))
    assert seldom["loss"] == always["loss"]


def test_a_diverged_training_goes_back_to_the_last_checkpoint_with_half_the_rate(
    patch_set: PatchSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = iter([30.0, 26.0, 30.5, 30.6, 30.7])
    monkeypatch.setattr(Validator, "__call__", lambda self, generator: Validation(next(measured), 0.9, None, []))
    config = tiny(pixel_steps=8, validate_every=2, checkpoint_every=2)
    phase = train_pixel_phase(patch_set, config, tmp_path, CPU)
    assert (phase.step, phase.setbacks, phase.learning_rate_factor) == (8, 1, 0.5)
    assert torch.load(tmp_path / "pixel-best.pt", weights_only=True)["best"]["psnr"] == 30.7


def test_the_rate_warms_up_and_falls_to_its_final_value() -> None:
    config = tiny(warm_up_steps=10)
    shares = [learning_rate_share(step, 100, config, 0.01) for step in range(101)]
    assert shares[0] == pytest.approx(0.1)
    assert max(shares) == pytest.approx(1)
    assert shares[100] == pytest.approx(0.01)
    assert shares[10:] == sorted(shares[10:], reverse=True)


def test_the_step_schedule_halves_the_rate() -> None:
    config = tiny(schedule="step", milestones=(30, 60, 90), warm_up_steps=0)
    assert [learning_rate_share(step, 200, config, 0.2) for step in (0, 29, 30, 60, 199)] == [1, 1, 0.5, 0.25, 0.2]
