"""The control for the size: a factor, or pixels in the shape of what is enlarged."""

from __future__ import annotations

import math
from typing import Any

from gi.repository import Gtk

from .. import sizes
from ..client import Size
from ..i18n import _
from ..settings import LEAST_SCALE, MOST_SCALE, Settings

FACTORS = (2.0, 3.0, 4.0)
PIXELS = "pixels"
CHAIN = "gimp-hchain"  # GIMP's picture of proportions that are kept


class SizeControl(Gtk.Box):  # type: ignore[misc]  # GTK's classes come without types
    """The widget, bound to the arguments `scale`, `width` and `height`: one of the last two, or else the first.

    Args:
        config: the procedure's arguments.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._config = config
        self.choice = Gtk.ComboBoxText()
        for factor in FACTORS:
            self._offer(factor)
        self.choice.append(PIXELS, _("pixels"))
        self.choice.set_tooltip_text(_("How many times as wide and as high, or how many pixels"))
        self._sides = {name: _side() for name in ("width", "height")}
        self._sides["width"].set_tooltip_text(_("Width of the result in pixels"))
        self._sides["height"].set_tooltip_text(_("Height of the result in pixels"))
        chain = Gtk.Image.new_from_icon_name(CHAIN, Gtk.IconSize.BUTTON)
        chain.set_tooltip_text(_("The proportions are kept"))
        row = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=3)
        row.pack_start(self._sides["width"], True, True, 0)
        row.pack_start(chain, False, False, 0)
        row.pack_start(self._sides["height"], True, True, 0)
        self.pack_start(self.choice, False, False, 0)
        self.pack_start(row, False, False, 0)
        self._chosen = self.choice.connect("changed", self._follow_choice)
        self._turned = {
            name: side.connect("value-changed", self._follow_side, name) for name, side in self._sides.items()
        }

    def show_value(self, before: Size) -> None:
        """Show what the arguments say; pixels that what is enlarged, of size `before`, cannot become are brought near.

        Args:
            before: the size of what is enlarged, in pixels.
        """
        limits = {name: _limits(getattr(before, name)) for name in self._sides}
        for name, (lowest, highest) in limits.items():
            given = self._config.get_property(name)
            if given:
                self._set(name, min(max(given, lowest), highest))
        settings = Settings.of(self._config)
        result = sizes.result_of(settings, before)
        for name, side in self._sides.items():
            with side.handler_block(self._turned[name]):
                side.set_range(*limits[name])
                side.set_value(getattr(result, name))
        with self.choice.handler_block(self._chosen):
            if not self.choice.set_active_id(PIXELS if settings.width or settings.height else str(settings.scale)):
                self._offer(settings.scale)
                self.choice.set_active_id(str(settings.scale))

    def _offer(self, factor: float) -> None:
        place = self.choice.get_model().iter_n_children(None)
        self.choice.insert(max(place - 1, 0) if factor not in FACTORS else place, str(factor), f"×{factor:g}")

    def _set(self, name: str, value: float) -> None:
        """Set one argument, without the width or height that would say otherwise."""
        for other in ("width", "height"):
            if other != name and self._config.get_property(other):
                self._config.set_property(other, 0)
        if self._config.get_property(name) != value:
            self._config.set_property(name, value)

    def _follow_choice(self, choice: Any) -> None:
        chosen = choice.get_active_id()
        if chosen == PIXELS:
            self._set("width", int(self._sides["width"].get_value()))
        else:
            self._set("scale", float(chosen))

    def _follow_side(self, side: Any, name: str) -> None:
        self._set(name, int(side.get_value()))


def _side() -> Any:
    side = Gtk.SpinButton.new_with_range(1, 2, 1)
    side.set_width_chars(5)
    return side


def _limits(before: int) -> tuple[int, int]:
    return math.ceil(before * LEAST_SCALE), int(before * MOST_SCALE)
