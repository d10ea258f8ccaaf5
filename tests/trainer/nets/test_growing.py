"""Layers and features put in change nothing until they are trained, and are trained from the first step on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainer.conftest import tiny
from tests.trainer.nets.compact import trained_compact
from trainer.data.patch_set import PatchSet
from trainer.errors import ConfigError
from trainer.nets.growing import deepen, widen
from trainer.training.session import train_pixel_phase, trained_generator
from weights import WeightsMetadata, build_generator, enlarge, save_generator
from weights.generators.compact import Compact


@pytest.mark.parametrize("layers", [2, 3, 4, 9])
def test_a_deepened_generator_computes_the_same(layers: int) -> None:
    generator = trained_compact().eval()
    with torch.no_grad():
        generator.get_parameter("body.1.weight")[:3] = torch.tensor([-0.2, 0.0, 1.0])
        deeper, low_res = deepen(generator, layers), torch.rand(2, 3, 17, 13)
        assert deeper.config.layers == layers
        built = build_generator("compact", {"features": 8, "layers": layers})
        assert set(deeper.state_dict()) == set(built.state_dict())
        assert float((enlarge(deeper, low_res) - enlarge(generator, low_res)).abs().max()) <= 1e-6


def test_layers_are_put_in_at_even_distances() -> None:
    deeper = deepen(trained_compact(layers=12).eval(), 14)
    identity = torch.nn.init.dirac_(torch.empty(8, 8, 3, 3))
    kernels = [module.weight for module in deeper.body if isinstance(module, torch.nn.Conv2d)]
    assert [place for place, kernel in enumerate(kernels[1:-1], 1) if torch.equal(kernel, identity)] == [5, 10]


def test_both_activations_beside_a_new_layer_bend_and_all_of_it_has_gradients() -> None:
    deeper = deepen(trained_compact().eval(), 3).requires_grad_(True)
    enlarge(deeper, torch.rand(1, 3, 9, 9)).square().sum().backward()  # type: ignore[no-untyped-call]
    slopes = [module.weight.detach() for module in deeper.body if isinstance(module, torch.nn.PReLU)]
    assert all(float((slope - 1).abs().min()) > 0.1 for slope in slopes)
    assert all(bool((parameter.grad != 0).any()) for parameter in deeper.parameters() if parameter.grad is not None)
    assert all(parameter.grad is not None for parameter in deeper.parameters())


def test_what_cannot_be_deepened_is_refused() -> None:
    with pytest.raises(ConfigError, match="at most 1"):
        deepen(trained_compact().eval(), 1)
    with pytest.raises(ConfigError, match="espcn"):
        deepen(build_generator("espcn"), 9)


@pytest.mark.parametrize("features", [3, 8, 9, 20])
def test_a_widened_generator_computes_the_same(features: int) -> None:
    generator = trained_compact(layers=3).eval()
    assert isinstance(generator, Compact)
    wider, low_res = widen(generator, features), torch.rand(2, 3, 17, 13)
    assert wider.config.features == max(8, features)
    with torch.no_grad():
        assert float((enlarge(wider, low_res) - enlarge(generator, low_res)).abs().max()) <= 1e-6


def test_what_reads_new_features_has_gradients_from_the_first_step_on() -> None:
    generator = trained_compact(layers=2).eval()
    assert isinstance(generator, Compact)
    wider = widen(generator, 12).requires_grad_(True)
    enlarge(wider, torch.rand(1, 3, 9, 9)).square().sum().backward()  # type: ignore[no-untyped-call]
    for place in (2, 4, 6):
        gradient = wider.get_parameter(f"body.{place}.weight").grad
        assert gradient is not None
        assert bool((gradient[:8, 8:] != 0).any())


def test_a_training_grows_the_weights_file_that_it_starts_from(patch_set: PatchSet, tmp_path: Path) -> None:
    start = tmp_path / "start.safetensors"
    generator = trained_compact(layers=1).eval()
    save_generator(generator, WeightsMetadata("compact", dict(vars(generator.config)), 2, 3), start)
    rates = {"learning_rate": 1e-9, "final_learning_rate": 1e-9}
    config = tiny(generator={"features": 12, "layers": 3}, expansion=0, pixel_steps=1, **rates)
    train_pixel_phase(patch_set, config, tmp_path / "run", torch.device("cpu"), start=start)
    plain = trained_generator(tmp_path / "run", "pixel")[1]
    low_res = torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        assert float((enlarge(plain, low_res) - enlarge(generator, low_res)).abs().max()) <= 1e-5
