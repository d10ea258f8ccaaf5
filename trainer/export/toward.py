"""A part of the way from one generator to another: what brings a pair together, or takes back what went too far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weights import Generator, load_generator
from weights.interpolation import interpolate


@dataclass(frozen=True)
class Toward:
    """Where to go, and how far."""

    file: Path  # Weights file of the same configuration
    share: float  # 0…1; at 1 the other file's parameters


def move_toward(generator: Generator, toward: Toward | None) -> tuple[Generator, Mapping[str, Any]]:
    """Move a generator's parameters toward another's (network interpolation, Wang et al. 2018).

    Args:
        generator: Plain, float32.
        toward: Where to; None leaves the generator as it is.

    Returns:
        The generator, and what provenance should say of it.

    Raises:
        InvalidConfig: The two have different configurations.
        WeightsError: The file cannot be read.
    """
    if toward is None:
        return generator, {}
    other = load_generator(toward.file)
    note = {"file": toward.file.name, "weights": other.metadata.sha256[:12], "share": toward.share}
    return interpolate(generator, other.generator, toward.share), {"moved_toward": note}
