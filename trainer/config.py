"""The settings of a training: one dataclass, read from defaults, a preset, a TOML file, then flags; checked together.

Must not know: files of patches, devices, nets. Every field is a flag of the same name (`--learning-rate 1e-3`) and a
key of the TOML file (`learning_rate = 1e-3`).
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from trainer.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Check = tuple[Callable[[Any], bool], str]
_POSITIVE: Check = (lambda value: value > 0, "above 0")
_NOT_NEGATIVE: Check = (lambda value: value >= 0, "at least 0")
_FRACTION: Check = (lambda value: 0 <= value < 1, "at least 0 and below 1")


def _one_of(*names: str) -> Check:
    return (lambda value: value in names, f"one of {', '.join(names)}")


def _setting(default: Any, unit: str, check: Check | None = None) -> Any:
    metadata = {"unit": unit, "check": check}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides what a training computes; each field states its unit."""

    architecture: str = _setting("compact", "name of the generator's architecture")
    generator: dict[str, int] = _setting({}, "generator configuration, as features=48,layers=8")
    expansion: int = _setting(
        2, "channels inside the over-parameterised branches, as a multiple; 0: plain convolutions", _NOT_NEGATIVE
    )
    degradation: str = _setting("bicubic", "how low-resolution patches are made", _one_of("bicubic", "photo"))
    patch_size: int = _setting(48, "low-resolution pixels per side", (lambda value: 16 <= value <= 128, "16 to 128"))
    batch_size: int = _setting(16, "patches per step", _POSITIVE)
    pixel_steps: int = _setting(10_000, "optimizer steps of the pixel phase", _POSITIVE)
    learning_rate: float = _setting(1e-3, "highest rate of Adam", _POSITIVE)
    final_learning_rate: float = _setting(1e-5, "rate at the last step", _POSITIVE)
    warm_up_steps: int = _setting(100, "steps until the highest rate", _NOT_NEGATIVE)
    l1_weight: float = _setting(1.0, "weight of the mean absolute difference, values 0…1", _NOT_NEGATIVE)
    fft_weight: float = _setting(0.05, "weight of the mean absolute difference of the spectra", _NOT_NEGATIVE)
    ema_decay: float = _setting(0.999, "share of the running average kept at each step", _FRACTION)
    gradient_clip: float = _setting(0.0, "largest norm of the gradient; 0: no limit", _NOT_NEGATIVE)
    precision: str = _setting("auto", "of the convolutions", _one_of("auto", "float32", "bfloat16"))
    seed: int = _setting(1, "of everything random", _NOT_NEGATIVE)
    loader_workers: int = _setting(1, "processes that prepare patches", _NOT_NEGATIVE)
    validate_every: int = _setting(1000, "steps between validations", _POSITIVE)
    checkpoint_every: int = _setting(500, "steps between checkpoints", _POSITIVE)
    validation_patches: int = _setting(64, "patches measured at each validation", _POSITIVE)

    def __post_init__(self) -> None:
        faults = []
        for entry in fields(self):
            value, check = getattr(self, entry.name), entry.metadata["check"]
            if check is not None and not check[0](value):
                faults.append(f"{_flag(entry.name)} is {value!r}, expected {check[1]}")
        if self.final_learning_rate > self.learning_rate:
            faults.append(
                f"--final-learning-rate is {self.final_learning_rate}, expected at most --learning-rate "
                f"({self.learning_rate})"
            )
        if self.l1_weight == 0 and self.fft_weight == 0:
            faults.append("--l1-weight and --fft-weight are both 0, expected at least one loss")
        if faults:
            raise ConfigError(f"The settings cannot be used: {'; '.join(faults)}; correct them together.")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return dataclasses.asdict(self)


PRESETS: dict[str, dict[str, Any]] = {
    "compact-cpu": {"architecture": "compact", "generator": {"features": 48, "layers": 8}},
    "compact-gpu": {
        "architecture": "compact",
        "generator": {"features": 48, "layers": 8},
        "patch_size": 64,
        "batch_size": 64,
        "pixel_steps": 200_000,
        "loader_workers": 8,
    },
    "dilated-rrdb-gpu": {
        "architecture": "dilated_rrdb",
        "expansion": 0,
        "patch_size": 64,
        "batch_size": 32,
        "pixel_steps": 100_000,
        "learning_rate": 2e-4,
        "loader_workers": 8,
    },
}


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Give a parser `--preset`, `--config` and a flag for every field.

    Args:
        parser: Changed in place; a flag that is not given leaves None.
    """
    parser.add_argument("--preset", choices=sorted(PRESETS), default="compact-cpu", help="where the settings start")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with some of the settings below")
    group = parser.add_argument_group("settings")
    for entry in fields(TrainingConfig):
        kind = _parse_sizes if entry.name == "generator" else type(entry.default)
        group.add_argument(_flag(entry.name), type=kind, metavar="X", dest=entry.name, help=entry.metadata["unit"])


def config_from(arguments: argparse.Namespace) -> TrainingConfig:
    """Put a configuration together: defaults, then the preset, the TOML file, the flags.

    Args:
        arguments: What a parser prepared by `add_flags` returned.

    Returns:
        The checked configuration.

    Raises:
        ConfigError: The file cannot be read, or values cannot be used; names every fault.
    """
    values = dict(PRESETS[arguments.preset])
    if arguments.config is not None:
        values |= _read_toml(arguments.config)
    names = [entry.name for entry in fields(TrainingConfig)]
    values |= {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return config_of(values)


def config_of(values: dict[str, Any]) -> TrainingConfig:
    """Build a configuration from plain values.

    Args:
        values: Field name → value; whole numbers are taken for fractions too.

    Returns:
        The checked configuration.

    Raises:
        ConfigError: A name that is no setting, a value of the wrong type or outside its range; names every fault.
    """
    known = {entry.name: entry for entry in fields(TrainingConfig)}
    faults, typed = [], {}
    for name, value in values.items():
        if name not in known:
            faults.append(f"{name} is no setting")
            continue
        kind = dict if name == "generator" else type(known[name].default)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            faults.append(f"{_flag(name)} is {value!r}, expected {kind.__name__} ({known[name].metadata['unit']})")
        typed[name] = value
    if faults:
        raise ConfigError(f"The settings cannot be used: {'; '.join(faults)}; correct them together.")
    return TrainingConfig(**typed)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); expected a TOML file of settings; correct it.") from error


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _parse_sizes(text: str) -> dict[str, int]:
    return {name.strip(): int(value) for name, _, value in (part.partition("=") for part in text.split(",")) if name}
