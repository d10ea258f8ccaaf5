"""Patches kept on the device make the same batches as the loader, and the same training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import tiny
from trainer.data.batches import PatchBatches, on_device
from trainer.data.pairs import subset_of
from trainer.data.patch_cache import PatchCache
from trainer.data.patch_set import PatchSet
from trainer.errors import ConfigError
from trainer.training.session import train_pixel_phase

CPU = torch.device("cpu")


@pytest.mark.parametrize("mode", ["bicubic", "photo"])
def test_batches_are_those_of_the_loader(patch_set: PatchSet, mode: str) -> None:
    values = {"degradation": mode, "twice": True, "permute_probability": 0.5, "noise_sigma": 0.0}
    config = tiny(device_degradation=True, batch_size=8, patch_size=(16, 24), **values)
    cache, loader = PatchCache(patch_set.train, config, CPU, steps=4), PatchBatches(patch_set.train, config, steps=4)
    for step in range(4):
        ours, theirs = (on_device(batch, CPU) for batch in (cache.batch(step), loader[step]))
        assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("on_the_device", [False, True])
def test_each_size_has_an_equal_part_of_the_phase(patch_set: PatchSet, on_the_device: bool) -> None:
    config = tiny(patch_size=(16, 24, 48), device_degradation=on_the_device)
    loader = PatchBatches(patch_set.train, config, steps=6)
    sizes = [tuple(side.shape[-1] for side in on_device(loader[step], CPU)) for step in range(6)]
    assert sizes == [(16, 32)] * 2 + [(24, 48)] * 2 + [(48, 96)] * 2


def test_a_training_with_cached_patches_computes_the_same(patch_set: PatchSet, tmp_path: Path) -> None:
    runs = {"device": {"cache_patches": "device"}, "host": {"device_degradation": True}}
    one, other = (
        train_pixel_phase(patch_set, tiny(pixel_steps=5, **values), tmp_path / name, CPU)
        for name, values in runs.items()
    )
    for ours, theirs in zip(one.average.parameters(), other.average.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_subset_is_drawn_from_the_same_share_of_the_patches_by_loader_and_cache(patch_set: PatchSet) -> None:
    config = tiny(subset=0.5, device_degradation=True, batch_size=32)
    numbers = subset_of(len(patch_set.train), config)
    assert len(numbers) == len(patch_set.train) // 2
    others = [number for number in range(len(patch_set.train)) if number not in numbers]
    loader = PatchBatches(
        [file if n in numbers else Path("not there") for n, file in enumerate(patch_set.train)], config
    )
    assert others
    high_res = loader[0].high_res  # a patch of the others would not be found
    assert torch.equal(high_res, PatchCache(patch_set.train, config, CPU).batch(0).high_res)


def test_any_share_keeps_a_patch_and_a_share_of_one_keeps_all() -> None:
    assert len(subset_of(4, tiny(subset=0.01))) == 1
    assert subset_of(4, tiny()) == [0, 1, 2, 3]


def test_what_only_the_loader_can_do_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--rescale-probability is 0\.5, expected 0 with --cache-patches device"):
        tiny(cache_patches="device", rescale_probability=0.5)
