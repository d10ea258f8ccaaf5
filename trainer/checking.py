"""What settings must fulfil: each its range, all of them together no contradiction. All faults are named together.

Knows the settings by their names only; `config` has them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from trainer.errors import ConfigError

if TYPE_CHECKING:
    from trainer.config import TrainingConfig


class Check(NamedTuple):
    """What the values of a setting must fulfil.

    Attributes:
        holds: Whether a value does.
        expected: How that is said.
        choices: All values, where there are only a few.
    """

    holds: Callable[[Any], bool]
    expected: str
    choices: tuple[str, ...] = ()


POSITIVE = Check(lambda value: value > 0, "above 0")
NOT_NEGATIVE = Check(lambda value: value >= 0, "at least 0")
FRACTION = Check(lambda value: 0 <= value < 1, "at least 0 and below 1")
SHARE = Check(lambda value: 0 <= value <= 1, "0 to 1")
ASCENDING = Check(lambda value: list(value) == sorted({each for each in value if each > 0}), "ascending, above 0")
SIDE = Check(lambda value: 16 <= value <= 128, "16 to 128")
QUALITY = Check(lambda value: 1 <= value <= 100, "1 to 100")

PIXEL_LOSSES = ("l1", "mse", "psnr", "luma", "fft", "amplitude_phase", "row_difference")
LARGEST_PATCH = 256


def one_of(*names: str) -> Check:
    """Return the check for one of some words."""
    return Check(lambda value: value in names, f"one of {', '.join(names)}", names)


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
        if check is not None and not check.holds(value):
            faults.append(f"{flag_of(entry.name)} is {value!r}, expected {check.expected}")
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
    if config.cache_patches == "device" and config.rescale_probability:
        faults.append(
            f"--rescale-probability is {config.rescale_probability}, expected 0 with --cache-patches device, or host"
        )
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
