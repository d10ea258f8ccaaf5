"""What the user can choose, as one value; the defaults are what a non-interactive call gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

OWN_DETAIL = -1.0  # the argument's value for "the model's own default"
OUTPUTS = ("enlarge", "layer", "new")


@dataclass(frozen=True)
class Settings:
    """One run's choices.

    Attributes:
        model: a name that the server knows, or "auto".
        detail: 0 (faithful) … 1 (detailed); None for the model's own default.
        output: one of OUTPUTS.
    """

    model: str = "auto"
    detail: float | None = None
    output: str = "enlarge"

    @classmethod
    def of(cls, config: Any) -> Settings:
        """Read them from a Gimp.ProcedureConfig."""
        detail = float(config.get_property("detail"))
        return cls(
            str(config.get_property("model") or "auto").strip() or "auto",
            None if detail < 0 else detail,
            str(config.get_property("output")),
        )
