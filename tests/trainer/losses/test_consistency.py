"""The loss of consistency: a generator is held to what its average makes of the same pictures turned."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from tests.trainer.conftest import tiny
from trainer.data.batches import PatchBatches, on_device
from trainer.data.patch_set import PatchSet
from trainer.losses.consistency import TURNS, turned, turned_back, turned_target
from trainer.training.pixel_step import PixelPhase
from trainer.training.session import train_pixel_phase
from weights import enlarge

CPU = torch.device("cpu")


def test_the_eight_ways_to_lie_are_different_and_can_be_undone() -> None:
    picture = torch.rand(1, 3, 6, 6)
    ways = [turned(picture, turn) for turn in range(TURNS)]
    assert torch.equal(ways[0], picture)
    assert all(not torch.equal(a, b) for number, a in enumerate(ways) for b in ways[:number])
    for turn in range(TURNS):
        wide = torch.rand(2, 3, 4, 6)
        assert torch.equal(turned_back(turned(wide, turn), turn), wide)


def test_a_target_lies_as_its_picture_and_comes_from_each_of_the_other_ways() -> None:
    picture, kernel = torch.rand(1, 1, 5, 7), torch.rand(1, 1, 3, 3)

    def lopsided(pictures: Tensor) -> Tensor:
        return functional.conv2d(pictures, kernel, padding=1)

    expected = [turned_back(lopsided(turned(picture, turn)), turn) for turn in range(1, TURNS)]
    torch.manual_seed(0)
    targets = [turned_target(lopsided, picture) for _ in range(100)]
    met = {number for target in targets for number, each in enumerate(expected) if torch.equal(target, each)}
    assert all(any(torch.equal(target, each) for each in expected) for target in targets)
    assert len(met) == TURNS - 1


def test_the_target_is_the_averages_and_takes_no_gradient(patch_set: PatchSet) -> None:
    phase = PixelPhase(tiny(consistency_weight=1.0), CPU)
    low_res, _ = on_device(PatchBatches(patch_set.train, phase.config)[0], CPU)
    with torch.no_grad():
        for parameter in phase.generator.parameters():
            parameter.mul_(1.5)
    targets = []
    for enlarging in (phase.enlarged_by_average, lambda pictures: enlarge(phase.average, pictures), phase.enlarged):
        torch.manual_seed(3)
        targets.append(turned_target(enlarging, low_res))
    assert torch.allclose(targets[0], targets[1], atol=1e-6)
    assert not torch.allclose(targets[0], targets[2], atol=1e-3)
    assert not targets[0].requires_grad


def test_generators_held_to_it_differ_less_from_way_to_way(patch_set: PatchSet, tmp_path: Path) -> None:
    differences = []
    for weight in (0.0, 20.0):
        config = tiny(consistency_weight=weight, pixel_steps=250, learning_rate=4e-3, expansion=0)
        generator = train_pixel_phase(patch_set, config, tmp_path / str(weight), CPU).finished()
        low_res, _ = on_device(PatchBatches(patch_set.validation, config)[0], CPU)
        with torch.no_grad():
            ways = [turned_back(enlarge(generator, turned(low_res, turn)), turn) for turn in range(TURNS)]
        differences.append(float(torch.stack(ways).std(dim=0).mean()))
    assert differences[1] < 0.8 * differences[0], differences
