"""Compares a checkpoint's settings with those of now, and reads settings of earlier versions."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from trainer.config import TrainingConfig, config_of
from trainer.errors import CheckpointError, ConfigError

# what may change when a training is taken up again; convolutions and accumulate: nothing but rounding, to about a
# millionth (accumulate: and over which pictures a discriminator's batch normalisation goes)
_MAY_CHANGE = {
    "accumulate",
    "convolutions",
    "max_minutes",
    "patience",
    "pixel_steps",
    "adversarial_steps",
    "loader_workers",
    "decoded_limit",
    "validate_every",
    "checkpoint_every",
    "validation_patches",
    "divergence_margin",
}
# how the names of settings begin that one phase or kind of degradation has for itself
_ADVERSARIAL_ONLY = (
    *("adversarial_", "discriminator", "gradient_penalty_", "r1_"),
    *("perceptual_", "energy_", "half_size_", "halfway_", "texture_", "restoration_"),
)
_PIXEL_ONLY = ("consistency_", "learning_rate", "final_learning_rate")
_PHOTO_ONLY = (
    *("bicubic_", "blur_", "noise_", "jpeg_", "half_chroma_"),
    *("clean_", "grain_", "sharpen_", "resized_", "second_jpeg_"),
)


def check_same_settings(config: TrainingConfig, phase: str, state: dict[str, Any], source: Path) -> None:
    """Refuse a checkpoint of other settings.

    Args:
        config: The settings now.
        phase: "pixel" or "adversarial"; settings that it does not use may differ.
        state: The checkpoint.
        source: Its path, for the message.

    Raises:
        CheckpointError: Settings differ on which the result depends.
    """
    now, then = config.to_dict(), config_of_checkpoint(state["config"]).to_dict()
    unused = _unused_in(phase, config)
    others = sorted(name for name in now if name not in unused and now[name] != then[name])
    if others:
        raise CheckpointError(
            f"{source} was made with other settings ({', '.join(f'{n}: {then[n]!r}' for n in others)}); "
            f"expected {', '.join(f'{n}: {now[n]!r}' for n in others)}; use the same settings or another run folder."
        )


def config_of_checkpoint(values: dict[str, Any]) -> TrainingConfig:
    """Build the configuration that a checkpoint was made with; settings that came later have their default.

    Args:
        values: The checkpoint's settings, maybe of an earlier version.

    Returns:
        The configuration.

    Raises:
        ConfigError: A setting that there no longer is had an effect.
    """
    values = dict(values)
    values.pop("checkpoint_part", None)
    if values.pop("charbonnier_weight", 0.0):
        raise ConfigError("--charbonnier-weight is no setting any more; take the version that made this checkpoint.")
    if "collapse_margin" in values:
        values["divergence_margin"] = values.pop("collapse_margin")
    every = values.pop("halve_every", None)
    if every is not None and every != TrainingConfig.milestones[0]:
        values["milestones"] = tuple(range(every, 11 * every, every))
    return config_of(values)


def _unused_in(phase: str, config: TrainingConfig) -> set[str]:
    """Return the names of the settings on which a phase's result does not depend."""
    others: tuple[str, ...] = _ADVERSARIAL_ONLY if phase == "pixel" else _PIXEL_ONLY
    others += _PHOTO_ONLY if config.degradation == "bicubic" else ()
    return _MAY_CHANGE | {entry.name for entry in fields(config) if entry.name.startswith(others)}
