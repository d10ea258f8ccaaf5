"""What the user can choose, as one value; the defaults are what a non-interactive call gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .i18n import _

AUTO = "auto"  # the name for the best model on this machine
SCALE, LEAST_SCALE, MOST_SCALE = 2.0, 1.0, 8.0  # without the client, which may be missing when GIMP asks
LARGEST_SIDE = 1 << 19  # pixels; GIMP's own limit
OWN = -1.0  # the arguments' value for "the model's own detail" and "the layer's own cleanup"
OUTPUTS = {  # argument → what it is called, and what it does
    "enlarge": (
        _("Enlarge the image"),
        _("Everything is enlarged: the selected layers by the model, the rest by GIMP's own scaling"),
    ),
    "layer": (_("Enlarge only the layer"), _("The layer grows from its top-left corner")),
    "new": (_("New image"), _("This image stays as it is")),
}


@dataclass(frozen=True)
class Settings:
    """One run's choices."""

    model: str = AUTO  # a name that the server knows, or "auto"
    detail: float | None = None  # 0 (faithful) … 1 (detailed); None for the model's own default
    output: str = "enlarge"  # one of OUTPUTS
    cleanup: float | None = None  # 0 (as it is) … 1 (clean); None for what the layer needs
    scale: float = SCALE  # 1 … 8 times as wide and high, unless width or height says how large
    width: int = 0  # pixels of the result; 0: as the shape of what is enlarged asks
    height: int = 0

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
        detail, cleanup = (float(config.get_property(name)) for name in ("detail", "cleanup"))
        return cls(
            str(config.get_property("model") or "").strip() or AUTO,
            None if detail < 0 else detail,
            str(config.get_property("output")),
            None if cleanup < 0 else cleanup,
            float(config.get_property("scale")),
            int(config.get_property("width")),
            int(config.get_property("height")),
        )
