"""A control from 0 to 1 that may be left alone: a check button and a scale, bound to an argument of the procedure."""

from __future__ import annotations

from typing import Any

from gi.repository import Gtk

from ..settings import OWN


class Slider(Gtk.Box):  # type: ignore[misc]  # GTK's classes come without types
    """The widget. The argument is OWN while the button is active, else where the scale stands.

    Args:
        config: the procedure's arguments.
        name: of the argument.
        label: of the button, with a mnemonic.
        ends: the words at the scale's ends.
        step: of the scale.
    """

    def __init__(self, config: Any, name: str, label: str, ends: tuple[str, str], step: float) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._config, self._name = config, name
        self._own = Gtk.CheckButton.new_with_mnemonic(label)
        self._scale = Gtk.Scale.new_with_range(Gtk.Orientation.HORIZONTAL, 0.0, 1.0, step)
        self._scale.set_draw_value(True)
        for value, word in zip((0.0, 1.0), ends, strict=True):
            self._scale.add_mark(value, Gtk.PositionType.BOTTOM, word)
        self.pack_start(self._own, False, False, 0)
        self.pack_start(self._scale, False, False, 0)

    def listen(self) -> None:
        """Follow the user from now on."""
        self._own.connect("toggled", self._toggled)
        self._scale.connect("value-changed", self._moved)

    def show_value(self, default: float, *, available: bool) -> None:
        """Show what the argument says.

        Args:
            default: where the scale stands while the button is active.
            available: whether the model has this control.
        """
        value = float(self._config.get_property(self._name))
        own = value < 0
        if not available and not own:  # chosen for another model; this one would refuse it
            self._config.set_property(self._name, OWN)
            return  # that is told to whoever listens, and shown then
        self._own.set_active(own)
        self._own.set_sensitive(available)
        self._scale.set_sensitive(available and not own)
        self._scale.set_value(default if own else value)

    def _toggled(self, button: Any) -> None:
        own = button.get_active()
        if own != (float(self._config.get_property(self._name)) < 0):
            self._config.set_property(self._name, OWN if own else round(self._scale.get_value(), 2))

    def _moved(self, scale: Any) -> None:
        if not self._own.get_active():
            self._config.set_property(self._name, round(scale.get_value(), 2))
