"""Architectures by name: the only place that lists them."""

from __future__ import annotations

from typing import Any

from weights.errors import UnknownArchitecture
from weights.generators.base import Generator
from weights.generators.compact import Compact
from weights.generators.dilated_rrdb import DilatedRrdb
from weights.generators.espcn import Espcn
from weights.generators.nafnet import Nafnet
from weights.generators.rrdb import Rrdb

ARCHITECTURES: dict[str, type[Generator]] = {
    generator.architecture: generator for generator in (Compact, DilatedRrdb, Rrdb, Espcn, Nafnet)
}


def build_generator(architecture: str, config: dict[str, Any] | None = None) -> Generator:
    """Build a generator with freshly initialised parameters.

    Args:
        architecture: One of `ARCHITECTURES`.
        config: Field name → whole number; what is left out keeps its default.

    Returns:
        The module, float32, in training mode.

    Raises:
        UnknownArchitecture: No generator has this name.
        InvalidConfig: The configuration does not fit the architecture.
    """
    if architecture not in ARCHITECTURES:
        raise UnknownArchitecture(
            f"The architecture is {architecture!r}; expected one of {', '.join(sorted(ARCHITECTURES))}; "
            "check the spelling, or update the program that reads it."
        )
    generator = ARCHITECTURES[architecture]
    return generator(generator.config_class.from_values(config or {}))
