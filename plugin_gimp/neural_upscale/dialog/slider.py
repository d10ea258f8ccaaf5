"""A control from 0 to 1 that may be left alone, bound to an argument of the procedure."""

from __future__ import annotations

from typing import Any

from gi.repository import Gtk

from ..settings import OWN


class Slider(Gtk.Box):  # type: ignore[misc]  # GTK's classes come without types
    """The widget. The argument is OWN until the user moves the scale, and while the button is active.

    Args:
        config: the procedure's arguments.
        name: of the argument.
        ends: the words at the scale's ends.
        step: of the scale.
        automatic: the label of a button that leaves the value alone again, with a mnemonic; empty for no button.
    """

    def __init__(self, config: Any, name: str, ends: tuple[str, str], step: float, automatic: str = "") -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL)
        self._config, self._name = config, name
        self._tooltip = ""
        self.scale = Gtk.Scale.new_with_range(Gtk.Orientation.HORIZONTAL, 0.0, 1.0, step)
        self.scale.set_draw_value(False)
        self._value = Gtk.Label(xalign=1.0, width_chars=4)
        row = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=6)
        for widget, grows in ((Gtk.Label(label=ends[0]), False), (self.scale, True), (Gtk.Label(label=ends[1]), False)):
            row.pack_start(widget, grows, grows, 0)
        row.pack_start(self._value, False, False, 0)
        self._automatic = Gtk.CheckButton.new_with_mnemonic(automatic)
        self._automatic.set_no_show_all(not automatic)
        self.pack_start(row, False, False, 0)
        self.pack_start(self._automatic, False, False, 0)
        self._moved = self.scale.connect("value-changed", self._follow_scale)
        self._toggled = self._automatic.connect("toggled", self._follow_button)

    def explain(self, tooltip: str) -> None:
        """Set what is told of the control while it applies."""
        self._tooltip = tooltip

    def show_value(self, own: float | None, obstacle: str = "") -> None:
        """Show what the argument says.

        Args:
            own: where the scale stands while the argument is OWN; None where that is not known.
            obstacle: why the model has no such control; empty where it has.
        """
        value = float(self._config.get_property(self._name))
        if obstacle and value >= 0:  # chosen for another model; this one would refuse it
            self._config.set_property(self._name, OWN)
            return  # that is told to whoever listens, and shown then
        shown = own if value < 0 else value
        with self.scale.handler_block(self._moved), self._automatic.handler_block(self._toggled):
            self._automatic.set_active(value < 0)
            self.scale.set_value(0.0 if shown is None else shown)
        self._value.set_text("" if obstacle or shown is None else f"{shown:.2f}")
        self.set_sensitive(not obstacle)
        self.set_tooltip_text(obstacle or self._tooltip)

    def _follow_scale(self, scale: Any) -> None:
        self._config.set_property(self._name, round(scale.get_value(), 2))

    def _follow_button(self, button: Any) -> None:
        self._config.set_property(self._name, OWN if button.get_active() else round(self.scale.get_value(), 2))
