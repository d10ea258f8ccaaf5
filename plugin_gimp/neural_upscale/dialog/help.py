"""Opens the plug-in's own page of help: GIMP would look for a manual of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gi.repository import Gdk, GLib, Gtk

from ..i18n import _

PAGE = Path(__file__).parent.parent / "Help.html"


def offer(window: Any) -> None:
    """Let the window's Help button and F1 open the page."""
    window.connect("response", _help_asked)
    window.connect("key-press-event", _key_pressed)


def _help_asked(window: Any, response: int) -> None:
    if response == Gtk.ResponseType.HELP:
        window.stop_emission_by_name("response")
        _show(window)


def _key_pressed(window: Any, event: Any) -> bool:
    if event.keyval != Gdk.KEY_F1:
        return False
    _show(window)
    return True


def _show(window: Any) -> None:
    try:
        Gtk.show_uri_on_window(window, PAGE.as_uri(), Gdk.CURRENT_TIME)
    except GLib.Error:  # there is no browser
        box = Gtk.MessageDialog(transient_for=window, modal=True, buttons=Gtk.ButtonsType.CLOSE)
        box.set_markup(_("The help is in this file, which can be opened in a browser:") + f"\n{PAGE}")
        box.run()
        box.destroy()
