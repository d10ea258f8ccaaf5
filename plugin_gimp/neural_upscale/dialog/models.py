"""What the server's list of models means for the window. Knows no toolkit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..i18n import _
from ..settings import AUTO

PARTS = (
    "-faithful",
    "-detailed",
    "-clean",
    "-clean-detailed",
)  # of a family, which answers to the name without them and takes a detail


@dataclass(frozen=True)
class Models:
    """The models of a server."""

    # name → what the server's `/v1/models` tells of it; empty until the server has answered
    described: dict[str, dict[str, Any]]
    default: str  # the one that `auto` means

    @classmethod
    def of(cls, listing: dict[str, Any]) -> Models:
        """Read the answer to `/v1/models`."""
        described = {str(each["name"]): each for each in listing.get("models", []) if each.get("usable", True)}
        return cls(described, str(listing.get("default") or AUTO))

    def offered(self) -> list[str]:
        """Return the names to choose from: a family's single files are the ends of its slider, and not among them."""
        pairs = {name for name, each in self.described.items() if each.get("detail")}
        return [name for name in self.described if not any(name == pair + part for pair in pairs for part in PARTS)]

    def auto_text(self) -> str:
        """Return what `auto` is called, with the model that it means once that is known."""
        if self.default == AUTO:
            return _("auto")
        return _("auto ({model})").format(model=self.default)

    def takes_detail(self, name: str) -> bool:
        """Return whether a model takes a detail; what is not known yet may."""
        if self._named(name) not in self.described:
            return True
        return bool((self.described[self._named(name)].get("detail") or {}).get("highest"))

    def takes_cleanup(self, name: str) -> bool:
        """Return whether a model takes a clean-up; what is not known yet may."""
        known = self.described.get(self._named(name))
        return known is None or known.get("cleanup") is not None

    def own_detail(self, name: str) -> float | None:
        """Return a model's own detail, 0 where it has none; None while the model is not known."""
        if self._named(name) not in self.described:
            return None
        return float((self.described[self._named(name)].get("detail") or {}).get("default", 0.0))

    def licence(self, name: str) -> str:
        """Return a model's licence; a dash where it is not known."""
        return str(self.described.get(self._named(name), {}).get("licence") or "–")

    def _named(self, name: str) -> str:
        return self.default if name == AUTO else name
