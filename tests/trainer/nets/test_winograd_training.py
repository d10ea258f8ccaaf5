"""Trainings that convolve by Winograd's filtering: when they do, and that they learn and resume as by torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.conftest import take_step, tiny
from tests.trainer.nets.compact import needs_compiler, same, trained_compact
from trainer.data.batches import PatchBatches
from trainer.data.patch_set import PatchSet
from trainer.errors import ConfigError
from trainer.nets.winograd import chosen_passes
from trainer.training.adversarial_step import AdversarialPhase
from trainer.training.checkpoint import save_checkpoint
from trainer.training.log import read_record
from trainer.training.pixel_step import PixelPhase
from trainer.training.session import train_adversarial_phase, train_pixel_phase
from weights import build_generator, enlarge

pytestmark = needs_compiler
CPU = torch.device("cpu")
WINOGRAD = {"convolutions": "winograd", "expansion": 0, "optimizer": "muon"}


@pytest.mark.parametrize(
    ("values", "device", "used"),
    [
        ({}, "cpu", True),
        ({"precision": "auto"}, "cpu", True),
        ({"precision": "bfloat16"}, "cpu", False),
        ({"compile": True}, "cpu", False),
        ({"architecture": "espcn", "generator": {}}, "cpu", False),
        ({}, "cuda", False),
        ({"convolutions": "torch"}, "cpu", False),
        ({"convolutions": "winograd"}, "cpu", True),
    ],
)
def test_auto_takes_winograd_where_it_is_faster_and_the_settings_overrule_it(
    values: dict[str, Any], device: str, used: bool
) -> None:
    choice = chosen_passes(tiny(**{"convolutions": "auto", **values}), torch.device(device))
    assert (choice.passes is not None) == used
    assert ("Winograd" in choice.log_message) == used


def test_what_cannot_be_had_is_an_error_where_it_is_asked_for_and_told_where_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"--convolutions is winograd and the device cuda, expected cpu"):
        chosen_passes(tiny(convolutions="winograd"), torch.device("cuda"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"no C\+\+ compiler; install one; or train with --convolutions auto"):
        PixelPhase(tiny(convolutions="winograd"), CPU)
    choice = chosen_passes(tiny(convolutions="auto"), CPU)
    assert choice.passes is None
    assert "by torch, because" in choice.log_message
    assert "no C++ compiler" in choice.log_message


def test_settings_that_exclude_winograd_are_named_together() -> None:
    with pytest.raises(ConfigError) as caught:
        tiny(convolutions="winograd", architecture="espcn", compile=True, precision="bfloat16")
    for flag in ("--architecture is espcn", "--compile is set", "--precision is bfloat16"):
        assert flag in str(caught.value)


def test_the_generator_is_in_float32_whatever_the_discriminator_is_in() -> None:
    generator = build_generator("compact", {"features": 8, "layers": 2})
    for phase in (
        PixelPhase(tiny(**WINOGRAD, precision="auto"), CPU),
        AdversarialPhase(tiny(**WINOGRAD, precision="auto"), CPU, generator, None),
    ):
        phase.dtype = torch.bfloat16  # as on processors that multiply it
        picture = torch.rand(1, 3, 16, 16)
        with torch.no_grad():
            exact = enlarge(phase.average, picture)
        assert float((phase.enlarged(picture).detach() - exact).abs().max()) < 1e-5
        with phase.autocast():
            assert torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("step", [0, 1])  # of which the second applies the generator twice
def test_a_step_of_either_phase_has_the_gradients_that_it_has_by_torch(step: int) -> None:
    torch.manual_seed(step)
    # Squares and noise, because gradients jump where a difference or a result is 0: on black parts of a picture, a new
    # generator's results are 0, and which side of it they are rounded to is chance.
    batch = (torch.rand(2, 3, 16, 16), torch.rand(2, 3, 32 << step, 32 << step))
    # A seed at whose draws the discriminator has no such place either.
    values = {"twice": True, "accumulate": 2, "l1_weight": 0.0, "fft_weight": 0.0, "mse_weight": 1.0, "seed": 2}
    for make in (
        lambda config: PixelPhase(config, CPU),
        lambda config: AdversarialPhase(config, CPU, trained_compact(), None),
    ):
        phases = [make(tiny(**values, convolutions=name)) for name in ("torch", "winograd")]
        for phase in phases:
            phase.step = step
            phase.train_step(batch)
        for one, other in zip(*(phase.generator.parameters() for phase in phases), strict=True):
            assert one.grad is not None
            assert other.grad is not None
            assert float((one.grad - other.grad).norm() / one.grad.norm()) < 1e-3


def test_resume_is_exact(patch_set: PatchSet, tmp_path: Path) -> None:
    config = tiny(**WINOGRAD, pixel_steps=6, validate_every=3, checkpoint_every=3)
    whole = train_pixel_phase(patch_set, config, tmp_path / "whole", CPU)
    half = PixelPhase(config, CPU)
    reader = PatchBatches(patch_set.train, config)
    for step in range(3):
        take_step(half, reader[step])
    save_checkpoint(half.state(), tmp_path / "halves" / "pixel.pt")
    resumed = train_pixel_phase(patch_set, config, tmp_path / "halves", CPU)
    assert same(whole.average.state_dict(), resumed.average.state_dict())
    logged = [line.get("logged", "") for line in read_record(tmp_path / "whole")]
    assert sum("Winograd" in sentence for sentence in logged) == 1


def test_resume_of_the_adversarial_phase_is_exact(patch_set: PatchSet, tmp_path: Path) -> None:
    phases = []
    for name, stops in (("whole", (4,)), ("halves", (2, 4))):
        for steps in stops:
            config = tiny(**WINOGRAD, schedule="step", adversarial_steps=steps, checkpoint_every=2, validate_every=2)
            phase = train_adversarial_phase(patch_set, config, tmp_path / name, CPU, trained_compact())
        phases.append(phase)
    for part in ("generator", "average", "discriminator"):
        assert same(*(getattr(phase, part).state_dict() for phase in phases)), part


def test_a_checkpoint_from_before_the_setting_is_taken_up_by_any(patch_set: PatchSet, tmp_path: Path) -> None:
    train_pixel_phase(patch_set, tiny(pixel_steps=2), tmp_path, CPU)
    state = torch.load(tmp_path / "pixel.pt", weights_only=True)
    del state["config"]["convolutions"]
    torch.save(state, tmp_path / "pixel.pt")
    for steps, name in ((3, "auto"), (4, "winograd"), (5, "torch")):
        assert train_pixel_phase(patch_set, tiny(pixel_steps=steps, convolutions=name), tmp_path, CPU).step == steps
