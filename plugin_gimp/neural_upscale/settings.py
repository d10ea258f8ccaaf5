"""What the user can choose, as one value; the defaults are what a non-interactive call gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

OWN = -1.0  # the arguments' value for "the model's own detail" and "the layer's own cleanup"
OUTPUTS = ("enlarge", "layer", "new")


@dataclass(frozen=True)
class Settings:
    """One run's choices.

    Attributes:
        model: a name that the server knows, or "auto".
        detail: 0 (faithful) … 1 (detailed); None for the model's own default.
        cleanup: 0 (as it is) … 1 (clean); None for what the layer needs.
        output: one of OUTPUTS.
    """

    model: str = "auto"
    detail: float | None = None
    output: str = "enlarge"
    cleanup: float | None = None

    @classmethod
    def of(cls, config: Any) -> Settings:
        """Read them from a Gimp.ProcedureConfig."""
        detail, cleanup = (float(config.get_property(name)) for name in ("detail", "cleanup"))
        return cls(
            str(config.get_property("model") or "auto").strip() or "auto",
            None if detail < 0 else detail,
            str(config.get_property("output")),
            None if cleanup < 0 else cleanup,
        )
