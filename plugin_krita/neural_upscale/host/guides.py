"""A document's guides, by `guidesConfig` where Krita has it (5.3), by the older calls elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Guides:
    """Where the guides lie, and whether they are shown."""

    horizontal: tuple[float, ...]  # the rows, pixels
    vertical: tuple[float, ...]  # the columns, pixels
    shown: bool  # whether the user sees them

    @property
    def hidden(self) -> bool:
        """Return whether there are guides that the user does not see."""
        return not self.shown and bool(self.horizontal or self.vertical)


def of(document: Any) -> Guides:
    """Return the document's guides."""
    if hasattr(document, "guidesConfig"):
        config = document.guidesConfig()
        return Guides(tuple(config.horizontalGuides()), tuple(config.verticalGuides()), config.visible())
    return Guides(tuple(document.horizontalGuides()), tuple(document.verticalGuides()), document.guidesVisible())


def show(document: Any, shown: bool) -> None:
    """Show or hide the document's guides."""
    if hasattr(document, "guidesConfig"):
        config = document.guidesConfig()
        config.setVisible(shown)
        document.setGuidesConfig(config)
    else:
        document.setGuidesVisible(shown)


def set_scaled(document: Any, guides: Guides, across: float, down: float) -> None:
    """Set the same guides in a document that is so many times as wide and high."""
    rows, columns = [down * each for each in guides.horizontal], [across * each for each in guides.vertical]
    if hasattr(document, "guidesConfig"):
        config = document.guidesConfig()
        config.setHorizontalGuides(rows)
        config.setVerticalGuides(columns)
        document.setGuidesConfig(config)
    else:
        document.setHorizontalGuides(rows)
        document.setVerticalGuides(columns)
