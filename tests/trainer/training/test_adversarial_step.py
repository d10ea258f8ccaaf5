"""The adversarial phase: both sides move, it resumes exactly, and what contradicts itself is refused."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.trainer.conftest import take_step, tiny
from trainer.config import TrainingConfig
from trainer.data.batches import PatchBatches, on_device
from trainer.data.patch_set import PatchSet
from trainer.errors import CheckpointError, ConfigError
from trainer.export.benchmarks import Benchmarks
from trainer.export.card import Description
from trainer.export.export import export_run
from trainer.losses.adversarial_losses import ADVERSARIAL_LOSSES
from trainer.losses.perceptual import PerceptualLoss
from trainer.losses.pixel_losses import weighted
from trainer.nets.discriminators import shifted
from trainer.nets.feature_networks import build_feature_network
from trainer.run_folder import trained_generator
from trainer.training.adversarial_step import AdversarialPhase
from trainer.training.log import read_record
from trainer.training.session import train, train_adversarial_phase
from weights import Generator, WeightsMetadata, build_generator, enlarge, save_generator

CPU = torch.device("cpu")


def _generator() -> Generator:
    torch.manual_seed(3)
    return build_generator("compact", {"features": 8, "layers": 2})


def _moved(before: nn.Module, after: nn.Module) -> bool:
    return any(not torch.equal(a, b) for a, b in zip(before.parameters(), after.parameters(), strict=True))


def _phase(config: TrainingConfig, perceptual: PerceptualLoss | None = None) -> AdversarialPhase:
    return AdversarialPhase(config, CPU, _generator(), perceptual)


def _without(weights: dict[str, float]) -> dict[str, float]:
    return {name: weight for name, weight in weights.items() if name != "restoration_weight"}


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("discriminator", "loss"),
    [
        ("dilated", "relativistic_bounded"),
        ("dilated", "relativistic"),
        ("unet_sn", "least_squares"),
        ("unet_sn", "wasserstein"),
        ("patch", "wasserstein"),
        ("patch", "relativistic_least_squares"),
    ],
)
def test_both_sides_move_and_every_loss_is_recorded(patch_set: PatchSet, discriminator: str, loss: str) -> None:
    r1 = 0.0 if discriminator == "dilated" else 1.0
    config = tiny(discriminator=discriminator, adversarial_loss=loss, discriminator_steps=2, r1_weight=r1)
    phase = _phase(config)
    generator, discriminator = copy.deepcopy(phase.generator), copy.deepcopy(phase.discriminator)
    losses = take_step(phase, PatchBatches(patch_set.train, config)[0])
    assert {"loss", "l1", "fft", "adversarial", "discriminator", "photo_ahead"} <= set(losses)
    assert ("gradient_penalty" in losses) == (loss == "wasserstein")
    assert ("r1_penalty" in losses) == bool(r1)
    assert _moved(generator, phase.generator)
    assert _moved(discriminator, phase.discriminator)
    assert all(parameter.requires_grad for parameter in phase.discriminator.parameters())


def test_without_discriminator_steps_there_is_no_adversarial_loss(patch_set: PatchSet) -> None:
    config = tiny(discriminator_steps=0, energy_weight=0.1)
    phase = _phase(config)
    generator, discriminator = copy.deepcopy(phase.generator), copy.deepcopy(phase.discriminator)
    losses = take_step(phase, PatchBatches(patch_set.train, config)[0])
    assert not {"adversarial", "discriminator", "photo_ahead"} & set(losses)
    assert _moved(generator, phase.generator)
    assert not _moved(discriminator, phase.discriminator)


def test_halfway_is_the_mean_with_the_start_and_gets_half_of_the_texture_losses(patch_set: PatchSet) -> None:
    config = tiny(discriminator_steps=0, energy_weight=0.1, l1_weight=1e-9, fft_weight=0.0)
    batch = on_device(PatchBatches(patch_set.train, config)[0], CPU)
    plain, halfway = _phase(config), _phase(replace(config, halfway_probability=1.0))
    plain.train_step(batch)
    halfway.train_step(batch)  # at the start both make the same picture: half of the losses, half of the way
    for one, other in zip(plain.generator.parameters(), halfway.generator.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad / 4, rtol=1e-3, atol=1e-3 * float(one.grad.abs().max()))
    seen = halfway.enlarged_with(
        {name: torch.zeros_like(each) for name, each in halfway.starting_parameters.items()}, batch[0]
    )
    torch.testing.assert_close(seen, functional.interpolate(batch[0], scale_factor=2.0))


@pytest.mark.parametrize("steps", [1, 3])
def test_generators_step_leaves_the_statistics_of_the_discriminator_alone(patch_set: PatchSet, steps: int) -> None:
    config = tiny(discriminator_steps=steps)
    phase, reader = _phase(config), PatchBatches(patch_set.train, config)
    take_step(phase, reader[0])
    counted = [b for name, b in phase.discriminator.named_buffers() if name.endswith("num_batches_tracked")]
    assert {int(count) for count in counted} == {steps}  # the discriminator's own steps


@pytest.mark.parametrize("discriminator", ["dilated", "unet_sn", "patch"])
def test_one_forward_pass_gives_both_sides_the_gradients_of_two(patch_set: PatchSet, discriminator: str) -> None:
    config = tiny(discriminator=discriminator)
    phase = _phase(config)
    low_res, high_res = on_device(PatchBatches(patch_set.train, config)[0], CPU)
    generator, judge = copy.deepcopy(phase.generator), copy.deepcopy(phase.discriminator)
    take_step(phase, (low_res, high_res))

    torch.manual_seed(config.seed << 40)
    down, right = torch.randint(8, (2,)).tolist()
    generated = enlarge(generator, low_res)
    fixed = copy.deepcopy(judge)

    def judged(by: nn.Module, picture: Tensor) -> tuple[Tensor, Tensor]:
        real, fake = by(torch.cat((shifted(high_res, down, right), shifted(picture, down, right)))).chunk(2)
        return real, fake

    loss = ADVERSARIAL_LOSSES[config.adversarial_loss]
    pixels, _ = weighted(generated, high_res, config.loss_weights)
    (pixels + config.adversarial_weight * loss.for_generator(*judged(fixed, generated))).backward()
    loss.for_discriminator(*judged(judge, generated.detach())).backward()
    for ours, plain in ((phase.generator, generator), (phase.discriminator, judge)):
        for mine, other in zip(ours.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_the_discriminator_sees_every_shift_from_0_to_7_in_both_directions() -> None:
    config = tiny(discriminator_steps=2, batch_size=1)
    phase = _phase(config)
    places = torch.arange(32.0) / 255
    high_res = torch.stack([places[:, None].expand(32, 32), places.expand(32, 32), torch.zeros(32, 32)])[None]
    seen: list[tuple[int, int]] = []

    def note(_: nn.Module, given: tuple[Tensor]) -> None:
        down, right, _blue = (given[0][0, :, 0, 0] * 255).round().int().tolist()  # the photo's first pixel says where
        seen.append((down, right))

    phase.discriminator.register_forward_pre_hook(note)
    for _ in range(64):
        take_step(phase, (functional.avg_pool2d(high_res, 2), high_res))
    assert len(seen) == 2 * 64
    for each in (seen[::2], seen[1::2]):  # the first discriminator step's shifts, and the second's own
        assert {down for down, _ in each} == {right for _, right in each} == set(range(8))
        assert len(set(each)) > 32  # of 64: one direction does not follow from the other
    assert sum(first != second for first, second in zip(seen[::2], seen[1::2], strict=True)) > 48


@pytest.mark.parametrize(
    ("weights", "share"),
    [
        ({"l1_weight": 1e-9, "adversarial_weight": 1.0}, 1 / 101),  # texture: 1 / (1 + (25 / 2.5)²)
        ({"adversarial_weight": 0.0}, 1.0),  # pixels: all alike
        ({"adversarial_weight": 0.0, "restoration_weight": 4.0}, 1 + 4 * 100 / 101),  # pixels: damaged ones more
    ],
)
def test_a_damaged_input_feels_its_share_of_the_losses(
    patch_set: PatchSet, weights: dict[str, float], share: float
) -> None:
    _, high_res = on_device(PatchBatches(patch_set.train, tiny())[0], CPU)
    clean = functional.interpolate(high_res, scale_factor=0.5, mode="bicubic", antialias=True)
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(5))
    damaged = clean + 25 / 255 * noise / noise.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
    slopes = []
    for tolerance in (0.0, 2.5):
        config = tiny(fft_weight=0.0, texture_tolerance=tolerance, **(weights if tolerance else _without(weights)))
        phase = _phase(config)
        take_step(phase, (damaged, high_res))
        slopes.append(torch.cat([p.grad.flatten() for p in phase.generator.parameters() if p.grad is not None]))
    torch.testing.assert_close(slopes[1], share * slopes[0], rtol=1e-3, atol=1e-3 * float(slopes[1].abs().max()))


def test_perceptual_loss_takes_part(patch_set: PatchSet) -> None:
    torch.manual_seed(0)
    perceptual = PerceptualLoss(build_feature_network("squeezenet"), {"conv1": 1.0, "fire3": 1.0})
    config = tiny(perceptual_weight=1.0)
    batch = PatchBatches(patch_set.train, config)[0]
    with_it, without = _phase(config, perceptual), _phase(config)
    losses = take_step(with_it, batch)
    take_step(without, batch)
    assert losses["perceptual"] > 0
    assert _moved(with_it.generator, without.generator)


@pytest.mark.parametrize("discriminator", ["dilated", "unet_sn", "patch"])
def test_the_discriminator_learns_to_tell_the_two_apart(patch_set: PatchSet, discriminator: str) -> None:
    values = {"discriminator": discriminator, "discriminator_channels": 8, "discriminator_learning_rate": 6e-3}
    config = tiny(adversarial_weight=0.0, adversarial_steps=50, batch_size=4, **values)
    phase, reader = _phase(config), PatchBatches(patch_set.train, config)
    record = [take_step(phase, reader[step]) for step in range(50)]
    assert sum(line["discriminator"] for line in record[-10:]) / 10 < 0.66  # log 2 = 0.69 is guessing
    assert sum(line["photo_ahead"] for line in record[-10:]) / 10 > 0.65


@pytest.mark.parametrize("discriminator", ["dilated", "unet_sn"])
def test_resume_is_exact(patch_set: PatchSet, tmp_path: Path, discriminator: str) -> None:
    values = {"discriminator": discriminator, "discriminator_dropout": 0.2, "checkpoint_every": 5, "validate_every": 5}
    halves = tiny(adversarial_steps=10, schedule="step", **values)
    whole = train_adversarial_phase(patch_set, halves, tmp_path / "whole", CPU, _generator())
    first = tiny(adversarial_steps=5, schedule="step", **values)
    train_adversarial_phase(patch_set, first, tmp_path / "halves", CPU, _generator())
    resumed = train_adversarial_phase(patch_set, halves, tmp_path / "halves", CPU, _generator())
    assert resumed.step == whole.step == 10
    for name in ("generator", "average", "discriminator"):
        assert _same(getattr(whole, name).state_dict(), getattr(resumed, name).state_dict()), name
    records = [read_record(tmp_path / run)[-1] for run in ("whole", "halves")]
    for record in records:
        record.pop("seconds")
    assert records[0] == records[1]


def test_both_phases_leave_a_pair_of_the_same_config(patch_set: PatchSet, tmp_path: Path) -> None:
    config = tiny(pixel_steps=3, expansion=2)
    train(patch_set, config, tmp_path / "run", CPU, ("pixel", "adversarial"))
    faithful, detailed = (trained_generator(tmp_path / "run", phase)[1] for phase in ("pixel", "adversarial"))
    assert faithful.config == detailed.config
    assert list(faithful.state_dict()) == list(detailed.state_dict())
    assert _moved(faithful, detailed)
    best = trained_generator(tmp_path / "run", "adversarial", best=True)[2]
    assert 0 < best["step"] <= 4
    assert (tmp_path / "run" / "plot.png").stat().st_size > 1000
    assert (tmp_path / "run" / "adversarial-samples.png").exists()
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_it_starts_from_a_weights_file_of_the_same_config_only(patch_set: PatchSet, tmp_path: Path) -> None:
    file = tmp_path / "f.safetensors"
    save_generator(_generator(), WeightsMetadata("", {}, 2, 4), file)
    train(patch_set, tiny(adversarial_steps=1), tmp_path / "run", CPU, ("adversarial",), file)
    assert (tmp_path / "run" / "adversarial.pt").exists()
    with pytest.raises(CheckpointError, match="set --architecture and --generator accordingly"):
        train(patch_set, tiny(generator={"features": 4}), tmp_path / "other", CPU, ("adversarial",), file)
    with pytest.raises(CheckpointError, match=r"has no pixel\.pt"):
        train(patch_set, tiny(), tmp_path / "none", CPU, ("adversarial",))


def test_trained_slopes_survive(patch_set: PatchSet, tmp_path: Path) -> None:
    generator = _generator()
    with torch.no_grad():
        generator.body[1].weight[0] = 0.4
    train_adversarial_phase(patch_set, tiny(adversarial_steps=1), tmp_path, CPU, generator)
    _, plain, _ = trained_generator(tmp_path, "adversarial")
    assert float(plain.body[1].weight[0]) == pytest.approx(0.4, abs=1e-3)


@pytest.mark.parametrize(
    ("values", "flag"),
    [({"adversarial_loss": "wasserstein"}, "--adversarial-loss wasserstein"), ({"r1_weight": 1.0}, "--r1-weight")],
)
def test_batch_normalisation_with_a_gradient_penalty_is_a_config_error(values: dict[str, object], flag: str) -> None:
    with pytest.raises(ConfigError, match=f"{flag} needs a discriminator without batch norm"):
        tiny(discriminator="dilated", **values)


def test_the_phase_has_sizes_and_a_degradation_of_its_own() -> None:
    config = tiny(adversarial_patch_size=24, adversarial_batch_size=3, adversarial_degradation="photo")
    own = config.for_adversarial_phase()
    assert (config.patch_size, own.patch_size, own.batch_size) == ((16,), (24,), 3)
    assert (config.degradation, own.degradation) == ("bicubic", "photo")


def test_the_energy_of_bands_takes_part(patch_set: PatchSet) -> None:
    config = tiny(energy_weight=0.1)
    batch = PatchBatches(patch_set.train, config)[0]
    with_it, without = _phase(config), _phase(tiny())
    assert take_step(with_it, batch)["energy"] > 0
    assert "energy" not in take_step(without, batch)
    assert _moved(with_it.generator, without.generator)


def test_a_part_of_the_batch_at_a_time_gives_the_same_losses(patch_set: PatchSet) -> None:
    whole, parts = tiny(batch_size=4, discriminator="patch"), tiny(batch_size=4, accumulate=2, discriminator="patch")
    batch = PatchBatches(patch_set.train, whole)[0]
    expected, got = take_step(_phase(whole), batch), take_step(_phase(parts), batch)
    assert got == pytest.approx(expected, rel=1e-4)


def test_settings_of_the_pixel_phase_alone_may_change(patch_set: PatchSet, tmp_path: Path) -> None:
    train_adversarial_phase(patch_set, tiny(adversarial_steps=1), tmp_path, CPU, _generator())
    other = tiny(adversarial_steps=2, consistency_weight=1.0, learning_rate=1.0, final_learning_rate=0.1)
    assert train_adversarial_phase(patch_set, other, tmp_path, CPU, _generator()).step == 2


def test_weights_written_by_an_adversarial_run_can_be_read(patch_set: PatchSet, tmp_path: Path) -> None:
    train_adversarial_phase(patch_set, tiny(adversarial_steps=2), tmp_path, CPU, _generator())
    _, plain, _ = trained_generator(tmp_path, "adversarial")
    save_generator(plain, WeightsMetadata("", {}, 2, 4), tmp_path / "d.safetensors")
    assert set(safetensors.torch.load_file(tmp_path / "d.safetensors")) == set(_generator().state_dict())


@pytest.mark.parametrize("kind", ["dilated", "patch"])
def test_a_discriminator_is_exported_beside_its_file_and_goes_on_with_it(
    patch_set: PatchSet, tmp_path: Path, kind: str
) -> None:
    config, file = tiny(discriminator=kind), tmp_path / "out" / "mine-detailed.safetensors"
    taught = train_adversarial_phase(patch_set, config, tmp_path / "run", CPU, _generator()).discriminator
    export_run(tmp_path / "run", file, Description("mine"), Benchmarks(), phase="adversarial")
    assert {each.name for each in file.parent.glob("*.safetensors")} == {file.name}  # what a server takes for models
    still = replace(config, adversarial_learning_rate=1e-12, discriminator_learning_rate=1e-12, adversarial_steps=1)
    train(patch_set, still, tmp_path / "again", CPU, ("adversarial",), start=file)
    state = torch.load(tmp_path / "again" / "adversarial.pt", weights_only=True)["discriminator"]
    for name, parameter in taught.named_parameters():
        torch.testing.assert_close(state[name], parameter.detach())
    wider = replace(config, discriminator_channels=6)
    with pytest.raises(
        CheckpointError, match=r"mine-detailed\.discriminator does not hold .* --discriminator-channels"
    ):
        train(patch_set, wider, tmp_path / "wider", CPU, ("adversarial",), start=file)
