"""Reads the settings: defaults, then a preset, a TOML file, then flags.

Every field of `TrainingConfig` is a flag of the same name (`--learning-rate 1e-3`) and a key of the TOML file
(`learning_rate = 1e-3`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from trainer.config import TrainingConfig, config_of
from trainer.errors import ConfigError
from trainer.presets import PRESETS
from trainer.settings import flag_of, kind_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Add `--preset`, `--config` and a flag for every field to a parser.

    Args:
        parser: Changed in place; a flag that is not given leaves None.
    """
    parser.add_argument("--preset", choices=sorted(PRESETS), default="compact-cpu", help="where the settings start")
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with some of the settings below")
    group = parser.add_argument_group("settings")
    for entry in fields(TrainingConfig):
        kind = kind_of(entry)
        options: dict[str, Any] = {"dest": entry.name, "default": None, "help": entry.metadata["unit"]}
        if kind is bool:
            group.add_argument(flag_of(entry.name), action=argparse.BooleanOptionalAction, **options)
        else:
            parsers: dict[type, Any] = {dict: _parse_pairs, tuple: _parse_numbers}
            group.add_argument(flag_of(entry.name), type=parsers.get(kind, kind), metavar=_metavar(entry), **options)


def config_from(arguments: argparse.Namespace, of_start: Mapping[str, Any] | None = None) -> TrainingConfig:
    """Put a configuration together: defaults, then the preset, what goes on, the TOML file, the flags.

    Args:
        arguments: What a parser prepared by `add_flags` returned.
        of_start: Values that the weights file has from which a training starts.

    Returns:
        The checked configuration.

    Raises:
        ConfigError: The file cannot be read, or values cannot be used; names every fault.
    """
    values = PRESETS[arguments.preset] | dict(of_start or {})
    if arguments.config is not None:
        values |= _read_toml(arguments.config)
    names = [entry.name for entry in fields(TrainingConfig)]
    values |= {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return config_of(values)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); expected a TOML file of settings; correct it.") from error


def _metavar(entry: Field[Any]) -> str:
    """Return what stands for a flag's value in the help: its choices, where there are any."""
    choices = getattr(entry.metadata["check"], "choices", ())
    return f"{{{','.join(filter(None, choices))}}}" if choices else "X"


def _parse_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _parse_pairs(text: str) -> dict[str, float]:
    pairs = (part.partition("=") for part in text.split(",") if part.strip())
    return {name.strip(): float(value) if "." in value or "e" in value else int(value) for name, _, value in pairs}
