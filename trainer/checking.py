"""What settings must fulfil: each its range, all of them together no contradiction. All faults are named together.

Knows the settings by their names only; `config` has them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trainer.errors import ConfigError

if TYPE_CHECKING:
    from trainer.config import TrainingConfig

Check = tuple[Callable[[Any], bool], str]
POSITIVE: Check = (lambda value: value > 0, "above 0")
NOT_NEGATIVE: Check = (lambda value: value >= 0, "at least 0")
FRACTION: Check = (lambda value: 0 <= value < 1, "at least 0 and below 1")
SHARE: Check = (lambda value: 0 <= value <= 1, "0 to 1")
QUALITY: Check = (lambda value: 1 <= value <= 100, "1 to 100")

PIXEL_LOSSES = ("l1", "mse", "charbonnier", "psnr", "luma", "fft", "amplitude_phase", "row_difference")
LARGEST_PATCH = 256
WEAR = ("clean", "grain", "sharpen", "resized", "second_jpeg")


def one_of(*names: str) -> Check:
    """Return the check for one of some words."""
    return (lambda value: value in names, f"one of {', '.join(names)}")


def setting(default: Any, unit: str, check: Check | None = None) -> Any:
    """Declare a field of a dataclass of settings.

    Args:
        default: Its default, which says its type too.
        unit: What it is, or is measured in; the flag's help.
        check: What its values must fulfil, and how that is said.

    Returns:
        The field.
    """
    metadata = {"unit": unit, "check": check}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def kind_of(entry: dataclasses.Field[Any]) -> type:
    """Return the type of a field's values."""
    return dict if entry.default is dataclasses.MISSING else type(entry.default)


def flag_of(name: str) -> str:
    """Return the flag that sets a field."""
    return f"--{name.replace('_', '-')}"


def refuse(faults: list[str]) -> None:
    """Raise a ConfigError that names all faults, if there are any."""
    if faults:
        raise ConfigError(f"The settings cannot be used: {'; '.join(faults)}; correct them together.")


def out_of_range(config: TrainingConfig) -> list[str]:
    """Name the settings that break their own check."""
    faults = []
    for entry in dataclasses.fields(config):
        value, check = getattr(config, entry.name), entry.metadata["check"]
        if check is not None and not check[0](value):
            faults.append(f"{flag_of(entry.name)} is {value!r}, expected {check[1]}")
    return faults


def contradictions(config: TrainingConfig) -> list[str]:
    """Name what cannot be together."""
    faults = []
    if config.final_learning_rate > config.learning_rate:
        faults.append(
            f"--final-learning-rate is {config.final_learning_rate}, expected at most --learning-rate "
            f"({config.learning_rate})"
        )
    if not any(config.loss_weights.values()):
        names = ", ".join(flag_of(f"{name}_weight") for name in PIXEL_LOSSES)
        faults.append(f"{names} are all 0, expected at least one loss")
    if config.jpeg_lowest > config.jpeg_highest:
        faults.append(f"--jpeg-lowest is {config.jpeg_lowest}, expected at most --jpeg-highest ({config.jpeg_highest})")
    if config.accumulate > config.batch_size:
        faults.append(f"--accumulate is {config.accumulate}, expected at most --batch-size ({config.batch_size})")
    if config.adversarial_loss == "wasserstein" and config.discriminator == "dilated":
        faults.append(
            "--adversarial-loss wasserstein needs a discriminator without batch normalisation, "
            "expected --discriminator unet_sn or patch"
        )
    if config.device_degradation and any(getattr(config, f"{name}_probability") for name in WEAR):
        names = ", ".join(flag_of(f"{name}_probability") for name in WEAR)
        faults.append(f"{names} are not all 0, expected that with --device-degradation")
    faults += _contradicts_winograd(config) if config.convolutions == "winograd" else []
    if config.twice and 4 * config.patch_size > LARGEST_PATCH:
        faults.append(f"--patch-size is {config.patch_size}, expected at most {LARGEST_PATCH // 4} with --twice")
    return faults


def _contradicts_winograd(config: TrainingConfig) -> list[str]:
    faults = []
    if config.architecture != "compact":
        faults.append(f"--architecture is {config.architecture}, expected compact with --convolutions winograd")
    if config.compile:
        faults.append("--compile is set, expected --no-compile with --convolutions winograd")
    if config.precision == "bfloat16":
        faults.append("--precision is bfloat16, expected auto or float32 with --convolutions winograd")
    return faults
