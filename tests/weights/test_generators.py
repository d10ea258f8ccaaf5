"""Generators: sizes, shapes, receptive radii, precision of the sum."""

import dataclasses
from pathlib import Path

import pytest
import torch

from weights import (
    ARCHITECTURES,
    InvalidConfig,
    UnknownArchitecture,
    WeightsMetadata,
    build_generator,
    enlarge,
    interpolate,
    load_generator,
    parameter_count,
    save_generator,
)
from weights.generators.base import Generator

SMALL = {
    "compact": {"features": 8, "layers": 3},
    "espcn": {"features": 8, "narrow_features": 4},
    "dilated_rrdb": {"features": 4, "growth": 4, "blocks": 1, "pairs": 1},
    "rrdb": {"features": 4, "growth": 2, "blocks": 1},
    "nafnet": {"features": 4, "blocks": 2, "window_radius": 3},
}


@pytest.fixture(params=sorted(SMALL))
def generator(request: pytest.FixtureRequest) -> Generator:
    torch.manual_seed(0)
    return build_generator(request.param, SMALL[request.param]).eval()


def test_every_architecture_is_covered_here() -> None:
    assert set(SMALL) == set(ARCHITECTURES)


def test_dilated_rrdb_has_exactly_16293763_parameters() -> None:
    assert parameter_count(build_generator("dilated_rrdb")) == 16_293_763


def test_rrdb_has_the_parameter_count_of_real_esrgan_x2plus() -> None:
    assert parameter_count(build_generator("rrdb")) == 16_703_171


def test_compact_stays_below_300_000_parameters() -> None:
    assert parameter_count(build_generator("compact")) <= 300_000


def test_compact_has_the_keys_that_spandrel_expects() -> None:
    keys = set(build_generator("compact", {"features": 8, "layers": 2}).state_dict())
    convolutions = {f"body.{index}.{part}" for index in (0, 2, 4, 6) for part in ("weight", "bias")}
    assert keys == convolutions | {"body.1.weight", "body.3.weight", "body.5.weight"}


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (16, 12)])
def test_the_result_is_exactly_twice_as_large(generator: Generator, size: tuple[int, int]) -> None:
    with torch.no_grad():
        assert enlarge(generator, torch.rand(2, 3, *size)).shape == (2, 3, 2 * size[0], 2 * size[1])


def test_nothing_beyond_the_receptive_radius_has_influence(generator: Generator) -> None:
    radius = generator.receptive_radius
    size = 2 * radius + 9
    low_res = torch.rand(1, 3, size, size, dtype=torch.float64)
    other = low_res.clone()
    other[..., 0, 0] += 1  # one corner
    with torch.no_grad():
        generator.double()
        difference = (generator(low_res) - generator(other)).abs().amax(dim=(0, 1))
    reached = torch.nonzero(difference).amax(dim=0) // 2
    assert int(reached.max()) <= radius


@pytest.mark.parametrize("name", ["compact", "espcn", "dilated_rrdb", "nafnet"])
def test_the_receptive_radius_is_reached(name: str) -> None:
    _reaches_its_radius(build_generator(name, SMALL[name]))


@pytest.mark.parametrize("option", [{"repeats": 2}, {"squeeze_radius": 3}])
def test_options_of_dilated_rrdb_reach_further_and_are_kept_in_its_file(option: dict[str, int], tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain, other = (
        build_generator("dilated_rrdb", SMALL["dilated_rrdb"] | {"features": 16} | more).eval() for more in ({}, option)
    )
    assert other.receptive_radius > plain.receptive_radius
    _reaches_its_radius(other)
    assert ("repeats" in option) == (parameter_count(plain) == parameter_count(other))  # the same weights again
    test_nothing_beyond_the_receptive_radius_has_influence(other.requires_grad_(False))
    save_generator(other.float(), WeightsMetadata("dilated_rrdb", {}, 2, 8), tmp_path / "x.safetensors")
    low_res = torch.rand(1, 3, 9, 7)
    assert torch.equal(load_generator(tmp_path / "x.safetensors").generator(low_res), other(low_res))


def _reaches_its_radius(generator: Generator) -> None:
    radius = generator.receptive_radius
    low_res = torch.rand(1, 3, 2 * radius + 1, 2 * radius + 1, requires_grad=True)
    generator(low_res)[..., 2 * radius : 2 * radius + 2, 2 * radius : 2 * radius + 2].sum().backward()
    assert low_res.grad is not None
    influences = low_res.grad.abs().sum(dim=(0, 1))
    assert float(influences[0].sum()) > 0


def test_residual_generators_add_to_the_nearest_neighbour_enlargement() -> None:
    generator = build_generator("compact", SMALL["compact"])
    for parameter in generator.parameters():
        torch.nn.init.zeros_(parameter)
    low_res = torch.rand(1, 3, 4, 6)
    with torch.no_grad():
        high_res = enlarge(generator, low_res)
    assert torch.equal(high_res, low_res.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))


def test_a_16_bit_ramp_keeps_its_levels_in_bfloat16() -> None:
    torch.manual_seed(0)
    generator = build_generator("compact", SMALL["compact"]).to(torch.bfloat16).eval()
    ramp = torch.linspace(0, 1, 65536).reshape(1, 1, 64, 1024).expand(1, 3, 64, 1024).contiguous()
    with torch.no_grad():
        levels = torch.unique((enlarge(generator, ramp, torch.bfloat16) * 65535).round()).numel()
    assert levels > 20_000


def test_configurations_are_frozen() -> None:
    config = build_generator("espcn", SMALL["espcn"]).config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.features = 3  # type: ignore[attr-defined,misc]


@pytest.mark.parametrize("values", [{"features": 0}, {"features": 2.5}, {"features": True}, {"width": 3}])
def test_a_wrong_configuration_is_named(values: dict[str, int]) -> None:
    with pytest.raises(InvalidConfig, match=next(iter(values))):
        build_generator("compact", values)
    with pytest.raises(InvalidConfig, match="repeats is 17; expected at most 16"):
        build_generator("dilated_rrdb", {"repeats": 17})
    for architecture, field in (("dilated_rrdb", "squeeze_radius"), ("nafnet", "window_radius")):
        with pytest.raises(InvalidConfig, match="radius of 65 pixels; expected at most 64"):
            build_generator(architecture, {field: 65, "features": 8, "blocks": 1})


def test_an_unknown_architecture_lists_the_known_ones() -> None:
    with pytest.raises(UnknownArchitecture, match="compact, dilated_rrdb, espcn, nafnet, rrdb"):
        build_generator("compakt")


def test_interpolation_goes_from_the_first_to_the_second() -> None:
    first, second = (build_generator("espcn", SMALL["espcn"]) for _ in range(2))
    for detail, expected in ((0.0, first.head.weight), (1.0, second.head.weight)):
        assert torch.equal(interpolate(first, second, detail).head.weight, expected)
    middle = interpolate(first, second, 0.25).head.weight
    assert torch.allclose(middle, 0.75 * first.head.weight + 0.25 * second.head.weight)


def test_interpolation_refuses_what_is_no_pair() -> None:
    first, second = build_generator("espcn", SMALL["espcn"]), build_generator("espcn", {"features": 9})
    with pytest.raises(InvalidConfig, match="same configuration"):
        interpolate(first, second, 0.5)
    with pytest.raises(InvalidConfig, match="0…1"):
        interpolate(first, first, 1.5)
