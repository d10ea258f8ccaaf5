"""What the user can choose, as one value; the defaults are what a non-interactive call gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

AUTO = "auto"  # the name for the best model on this machine
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

    model: str = AUTO
    detail: float | None = None
    output: str = "enlarge"

    def fitting(self, listing: dict[str, Any]) -> Settings:
        """Return the settings without a detail where the model takes none; `listing` is the server's `/v1/models`."""
        name = listing.get("default") if self.model == AUTO else self.model
        without = any(
            each["name"] == name and not (each.get("detail") or {}).get("highest") for each in listing.get("models", [])
        )
        return replace(self, detail=None) if without else self

    @classmethod
    def of(cls, config: Any) -> Settings:
        """Read them from a Gimp.ProcedureConfig."""
        detail = float(config.get_property("detail"))
        return cls(
            str(config.get_property("model") or "").strip() or AUTO,
            None if detail < 0 else detail,
            str(config.get_property("output")),
        )
