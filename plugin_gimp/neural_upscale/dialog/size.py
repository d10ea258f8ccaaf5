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
        super().__init__(orientation=Gtk.Orientation.HORIZONTAL, spacing=6)
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
        self.pack_start(self.choice, True, True, 0)
        for each in (self._sides["width"], chain, self._sides["height"]):
            self.pack_start(each, False, False, 0)
        self._shown = Size(1, 1)
        self._limits = dict.fromkeys(self._sides, (1, 1))
        self._chosen = self.choice.connect("changed", self._follow_choice)
        self._typed = {}
        for name, side in self._sides.items():
            self._typed[name] = side.connect("changed", self._follow_side, name)
            side.connect("activate", self._finish_side, name)
            side.connect("focus-out-event", lambda side, _event, name=name: self._finish_side(side, name))

    def show_value(self, before: Size) -> None:
        """Show what the arguments say; pixels that what is enlarged, of size `before`, cannot become are brought near.

        Args:
            before: the size of what is enlarged, in pixels.
        """
        self._limits = {name: _limits(getattr(before, name)) for name in self._sides}
        for name in self._sides:
            if given := self._config.get_property(name):
                self._set(name, self._near(name, given))
        settings = Settings.of(self._config)
        self._shown = result = sizes.result_of(settings, before)
        for name, side in self._sides.items():
            if side.get_text() != str(getattr(result, name)):  # else the cursor would leave what is typed
                with side.handler_block(self._typed[name]):
                    side.set_text(str(getattr(result, name)))
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
            self._set("width", int(self._sides["width"].get_text()))
        else:
            self._set("scale", float(chosen))

    def _follow_side(self, side: Any, name: str) -> None:
        """Take what is typed as soon as it can be meant."""
        text = side.get_text()
        if text.isdecimal() and int(text) == self._near(name, int(text)):
            self._set(name, int(text))

    def _finish_side(self, side: Any, name: str) -> bool:
        """Bring near what cannot be meant; let the toolkit go on."""
        text = side.get_text()
        near = self._near(name, int(text)) if text.isdecimal() else getattr(self._shown, name)
        if text != str(near):
            side.set_text(str(near))
        return False

    def _near(self, name: str, pixels: int) -> int:
        lowest, highest = self._limits[name]
        return min(max(pixels, lowest), highest)


def _side() -> Any:
    return Gtk.Entry(width_chars=5, max_width_chars=5, input_purpose=Gtk.InputPurpose.DIGITS)


def _limits(before: int) -> tuple[int, int]:
    return math.ceil(before * LEAST_SCALE), int(before * MOST_SCALE)
