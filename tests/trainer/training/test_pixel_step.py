"""One step of a training: what the settings for optimizer, average, layout and compilation do."""

from __future__ import annotations

import shutil
import sys

import pytest
import torch

from tests.trainer.conftest import take_step, tiny
from trainer.data.batches import PatchBatches, on_device
from trainer.data.patch_set import PatchSet
from trainer.errors import ConfigError
from trainer.training.pixel_step import PixelPhase

CPU = torch.device("cpu")
SMALL = {
    "compact": {"features": 8, "layers": 2},
    "dilated_rrdb": {"features": 8, "growth": 8, "blocks": 1, "pairs": 1},
    "rrdb": {"features": 8, "growth": 4, "blocks": 1},
    "espcn": {},
    "nafnet": {"features": 8, "blocks": 2, "window_radius": 3},
}


def _after(patch_set: PatchSet, steps: int = 1, **values: object) -> PixelPhase:
    config = tiny(**values)
    phase, reader = PixelPhase(config, CPU), PatchBatches(patch_set.train, config)
    for step in range(steps):
        take_step(phase, reader[step])
    return phase


@pytest.mark.parametrize("architecture", sorted(SMALL))
def test_every_architecture_learns(patch_set: PatchSet, architecture: str) -> None:
    phase = _after(patch_set, architecture=architecture, generator=SMALL[architecture], expansion=0)
    start = PixelPhase(phase.config, CPU).generator.parameters()
    assert any(not torch.equal(a, b) for a, b in zip(phase.generator.parameters(), start, strict=True))


def test_the_average_follows_by_one_thousandth_once_the_start_is_forgotten(patch_set: PatchSet) -> None:
    phase = _after(patch_set)
    phase.step = 20_000  # before, the start counts for less: (1 + step) / (10 + step)
    before = [mean.clone() for mean in phase.average.parameters()]
    take_step(phase, PatchBatches(patch_set.train, phase.config)[1])
    for mean, old, now in zip(phase.average.parameters(), before, phase.generator.parameters(), strict=True):
        torch.testing.assert_close(mean, 0.999 * old + 0.001 * now, rtol=1e-6, atol=1e-7)


def test_gradients_are_clipped_to_the_norm_that_was_asked_for(patch_set: PatchSet) -> None:
    norms = []
    for clip in (0.0, 1e-3):
        phase = _after(patch_set, gradient_clip=clip)
        gradients = [p.grad.flatten() for p in phase.generator.parameters() if p.grad is not None]
        norms.append(float(torch.cat(gradients).norm()))
    assert norms[0] > 1e-2
    assert norms[1] == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("settings", [(("adam", 0.5), ("adamw", 0.5)), (("muon", 0.0), ("muon", 0.5))])
def test_weight_decay_takes_a_share_of_the_kernels(
    patch_set: PatchSet, settings: tuple[tuple[str, float], tuple[str, float]]
) -> None:
    plain, decayed = (
        _after(patch_set, optimizer=name, weight_decay=decay, warm_up_steps=0).generator.state_dict()
        for name, decay in settings
    )
    start = PixelPhase(tiny(), CPU).generator.state_dict()
    key = "body.0.plain.weight"
    torch.testing.assert_close(plain[key] - decayed[key], 1e-3 * 0.5 * start[key], rtol=1e-2, atol=1e-6)


def test_sgd_is_torchs_with_nesterovs_momentum(patch_set: PatchSet) -> None:
    phase = _after(patch_set, optimizer="sgd", warm_up_steps=0, expansion=0)
    start = PixelPhase(phase.config, CPU).generator.parameters()
    for now, before in zip(phase.generator.parameters(), start, strict=True):
        assert now.grad is not None
        torch.testing.assert_close(now, before - 1e-3 * 1.95 * now.grad)


def test_a_part_moves_by_its_share_of_the_rate_and_a_frozen_one_stays(patch_set: PatchSet) -> None:
    plain, shared = (
        _after(patch_set, warm_up_steps=0, expansion=0, part_rates=rates)
        for rates in ({}, {"body.0": 0, "body.2": 0.5, "body.2.bias": 1.0})
    )
    start = PixelPhase(tiny(expansion=0), CPU).generator.state_dict()
    moves = [
        {name: each - start[name] for name, each in phase.generator.state_dict().items()} for phase in (plain, shared)
    ]
    shares = {"body.0.weight": 0.0, "body.2.weight": 0.5, "body.2.bias": 1.0, "body.4.weight": 1.0}
    for name, share in shares.items():
        torch.testing.assert_close(moves[1][name], share * moves[0][name], rtol=1e-3, atol=1e-7)
    assert moves[0]["body.0.weight"].any()


@pytest.mark.parametrize(("rates", "told"), [({"tail": 0.5}, "body.0, body"), ({"body": 0.0}, "0 for every part")])
def test_part_rates_that_fit_nothing_or_leave_nothing_are_refused(rates: dict[str, float], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        PixelPhase(tiny(part_rates=rates), CPU)


def test_momentum_is_the_share_that_muon_keeps(patch_set: PatchSet) -> None:
    phase = _after(patch_set, optimizer="muon", momentum=0.75)
    kernel = next(iter(phase.generator.parameters()))
    assert kernel.grad is not None
    torch.testing.assert_close(phase.optimizer.state[kernel]["mean"], 0.25 * kernel.grad)


def test_pictures_and_kernels_are_channels_last(patch_set: PatchSet) -> None:
    config = tiny()
    phase = PixelPhase(config, CPU)
    for side in on_device(PatchBatches(patch_set.train, config)[0], CPU):
        assert side.is_contiguous(memory_format=torch.channels_last)
    for parameter in phase.generator.parameters():
        assert parameter.dim() != 4 or parameter.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32" or not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # of torch's compiler about itself
def test_compiled_it_learns_the_same(patch_set: PatchSet) -> None:
    plain, compiled = (_after(patch_set, compile=choice, expansion=0) for choice in (False, True))
    for one, other in zip(plain.generator.parameters(), compiled.generator.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-5)
