"""Settings: where they come from, and that all faults are named together."""

import argparse
from dataclasses import fields
from pathlib import Path

import pytest

from trainer.cli.config_flags import add_flags, config_from
from trainer.config import TrainingConfig, config_of
from trainer.errors import ConfigError
from trainer.presets import PRESETS
from trainer.training.resume import config_of_checkpoint
from weights import ARCHITECTURES


def parsed(*words: str) -> TrainingConfig:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return config_from(parser.parse_args(words))


def test_a_flag_wins_over_the_file_which_wins_over_the_preset(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text("batch_size = 5\nseed = 7\n[generator]\nfeatures = 12\n", encoding="utf-8")
    config = parsed("--preset", "compact-gpu", "--config", str(file), "--seed", "9")
    assert (config.patch_size, config.batch_size, config.seed) == ((128,), 5, 9)
    assert config.generator == {"features": 12}


def test_every_field_is_a_flag_and_states_its_unit() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    flags = {action.dest: action for action in parser._actions}
    for field in fields(TrainingConfig):
        assert flags[field.name].option_strings[0] == f"--{field.name.replace('_', '-')}"
        assert field.metadata["unit"]


def test_the_help_names_every_choice_of_every_flag() -> None:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    told = parser.format_help()
    for choices in (field.metadata["check"].choices for field in fields(TrainingConfig) if field.metadata["check"]):
        assert f"{{{','.join(filter(None, choices))}}}" in told or not choices
    assert "{dilated,unet_sn,patch}" in told
    assert all(name in told for name in ARCHITECTURES)


def test_a_checkpoint_of_before_some_settings_went_is_still_read() -> None:
    old = config_of({"seed": 5}).to_dict()
    del old["divergence_margin"], old["milestones"], old["cache_patches"], old["max_minutes"]
    gone = {"halve_every": 50_000, "charbonnier_weight": 0.0, "checkpoint_part": 3, "collapse_margin": 2.0}
    assert config_of_checkpoint(old | gone) == config_of({"seed": 5, "divergence_margin": 2.0})
    assert config_of_checkpoint(old | gone | {"halve_every": 20}).milestones[:3] == (20, 40, 60)
    with pytest.raises(ConfigError, match="--charbonnier-weight is no setting any more"):
        config_of_checkpoint(old | gone | {"charbonnier_weight": 1.0})


def test_sizes_of_patches_are_one_number_or_several_and_follow_no_clock() -> None:
    assert parsed("--patch-size", "48,64").patch_size == (48, 64)
    assert config_of({"patch_size": 48}) == config_of({"patch_size": [48]})
    with pytest.raises(ConfigError, match=r"--patch-size is \(48, 130\), expected 16 to 128"):
        parsed("--patch-size", "48,130")
    with pytest.raises(ConfigError, match="expected one with --max-minutes"):
        parsed("--patch-size", "48,64", "--max-minutes", "5")


def test_milestones_are_read_from_a_flag_and_must_ascend() -> None:
    assert parsed("--milestones", "10,20").milestones == (10, 20)
    with pytest.raises(ConfigError, match="--milestones is"):
        parsed("--milestones", "20,10")


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_can_be_used(name: str) -> None:
    assert parsed("--preset", name).architecture in {"compact", "dilated_rrdb"}


@pytest.mark.parametrize("name", ["compact-gpu", "dilated-rrdb-gpu", "reference"])
def test_gpu_presets_learn_from_photos_in_both_phases(name: str) -> None:
    config = parsed("--preset", name)
    assert (config.degradation, config.for_adversarial_phase().degradation) == ("photo", "photo")
    assert config.patch_size == (128,)  # whole patches: 256 high-resolution pixels


def test_all_faults_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        parsed("--batch-size", "0", "--patch-size", "7", "--ema-decay", "1.5", "--precision", "int8")
    for flag in ("--batch-size", "--patch-size", "--ema-decay", "--precision"):
        assert flag in str(caught.value)


def test_wrong_types_and_unknown_names_are_reported_together() -> None:
    with pytest.raises(ConfigError, match=r"lerning_rate is no setting.*--batch-size is 'many', expected int"):
        config_of({"lerning_rate": 1e-3, "batch_size": "many"})


def test_a_broken_file_of_settings_is_named(tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_text("batch_size = = 3", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"broken\.toml cannot be read"):
        parsed("--config", str(file))


def test_generator_sizes_are_read_from_a_flag() -> None:
    assert parsed("--generator", "features=32,layers=4").generator == {"features": 32, "layers": 4}


def test_the_reference_preset_is_the_system_that_this_one_grew_from() -> None:
    config = parsed("--preset", "reference")
    assert {name: weight for name, weight in config.loss_weights.items() if weight} == {"mse": 1.0}
    assert (config.perceptual_network, config.perceptual_layers, config.perceptual_squared) == ("vgg16", {}, True)
    assert (config.perceptual_weight, config.half_size_weight, config.adversarial_weight) == (1e-4, 1.0, 3e-4)
    assert (config.discriminator, config.discriminator_channels, config.energy_weight) == ("dilated", 32, 0.0)
    assert (config.architecture, config.schedule) == ("dilated_rrdb", "step")
    assert (config.patch_size, config.batch_size, config.jpeg_probability, config.pixel_steps) == ((128,), 1, 1.0, 1)
