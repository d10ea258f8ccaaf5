"""What a setting is: a dataclass field with a unit and a check. `trainer.config` declares the settings themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from trainer.errors import ConfigError


class Check(NamedTuple):
    """What the values of a setting must fulfil."""

    holds: Callable[[Any], bool]  # Whether a value does
    expected: str  # The same in words
    choices: tuple[str, ...] = ()  # All values, where there are only a few


POSITIVE = Check(lambda value: value > 0, "above 0")
NOT_NEGATIVE = Check(lambda value: value >= 0, "at least 0")
FRACTION = Check(lambda value: 0 <= value < 1, "at least 0 and below 1")
PART = Check(lambda value: 0 < value <= 1, "above 0, at most 1")
SHARE = Check(lambda value: 0 <= value <= 1, "0 to 1")
SHARES = Check(lambda value: all(0 <= each <= 1 for each in value.values()), "0 to 1 each")
ASCENDING = Check(lambda value: list(value) == sorted({each for each in value if each > 0}), "ascending, above 0")
SIDES = Check(lambda value: value and all(16 <= side <= 128 for side in value), "16 to 128")
QUALITY = Check(lambda value: 1 <= value <= 100, "1 to 100")


def one_of(*names: str) -> Check:
    """Return the check for one of some words."""
    return Check(lambda value: value in names, f"one of {', '.join(names)}", names)


def setting(default: Any, unit: str, check: Check | None = None) -> Any:
    """Declare a field of a dataclass of settings.

    Args:
        default: Its default, which says its type too.
        unit: What it is, or is measured in; the flag's help.
        check: What its values must fulfil, and the same in words.

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


def out_of_range(config: Any) -> list[str]:
    """List the settings that break their own check.

    Args:
        config: An instance of a dataclass whose fields are declared by `setting`.

    Returns:
        A clause for each fault.
    """
    faults = []
    for entry in dataclasses.fields(config):
        value, check = getattr(config, entry.name), entry.metadata["check"]
        if check is not None and not check.holds(value):
            faults.append(f"{flag_of(entry.name)} is {value!r}, expected {check.expected}")
    return faults
