"""A patch before | after, with a divider that is moved by mouse and keys. Knows neither GIMP nor the server."""

from __future__ import annotations

from typing import Any

from gi.repository import Gtk

from .. import client
from ..i18n import _
from . import widgets

SMALLEST = client.Size(256, 256)  # GTK's pixels that the picture asks for
LARGEST = 1600  # the screen's pixels, beyond which the picture grows no more
STEP = 0.05  # of the picture's width, by which a key moves the divider
TAG = b"label { background-color: rgba(0, 0, 0, 0.65); color: white; padding: 1px 6px; }"


class Comparison(Gtk.Overlay):  # type: ignore[misc]  # GTK's classes come without types
    """The widget."""

    def __init__(self) -> None:
        super().__init__()
        self._divider = 0.5
        self._before: Any = None
        self._after: Any = None
        self._picture = widgets.Picture(SMALLEST, self._divide, self._press, self._draw)
        self._picture.set_tooltip_text(
            _("Left of the line: GIMP's own scaling; right: the model. Drag the line, or press Left and Right")
        )
        self.add(self._picture)
        self._tags = [_tag(_("before"), Gtk.Align.START), _tag(_("after"), Gtk.Align.END)]
        for each in self._tags:
            self.add_overlay(each)
            self.set_overlay_pass_through(each, True)

    def room(self) -> client.Size:
        """Return the room for a picture, in the screen's pixels."""
        room = self._picture.room()
        return client.Size(min(room.width, LARGEST), min(room.height, LARGEST))

    def show_pixels(self, size: client.Size, zoom: int, before: bytes, after: bytes | None) -> None:
        """Show a patch.

        Args:
            size: of both sides, in pixels.
            zoom: the screen's pixels for one of the patch, along each side.
            before: RGBA in 8 bits, rows without padding.
            after: the same; None while there is none, and no divider then.
        """
        self._before = widgets.pixbuf(before, size, zoom)
        self._after = None if after is None else widgets.pixbuf(after, size, zoom)
        for each in self._tags:
            each.set_visible(after is not None)
        self._draw()

    def _draw(self) -> None:
        if self._before is None:
            return
        shown = (self._after or self._before).copy()
        if self._after is not None:
            width, height = shown.get_width(), shown.get_height()
            left = round(self._divider * width)
            if left:
                self._before.copy_area(0, 0, left, height, shown, 0, 0)
            widgets.upright(shown, min(max(left - 1, 0), max(width - 2, 0)))
        self._picture.show_buffer(shown)

    def _divide(self, x: float, _y: float) -> None:
        if self._before is not None:
            self._divider = min(max(x / self._before.get_width(), 0.0), 1.0)
            self._draw()

    def _press(self, key: str) -> bool:
        places = {"Left": self._divider - STEP, "Right": self._divider + STEP, "Home": 0.0, "End": 1.0}
        if key in places and self._before is not None:
            self._divide(places[key] * self._before.get_width(), 0.0)
        return key in places


def _tag(text: str, side: Any) -> Any:
    """Return a label for a lower corner, readable on every picture and in every theme."""
    label = Gtk.Label(label=text, halign=side, valign=Gtk.Align.END, margin=6, no_show_all=True)
    style = Gtk.CssProvider()
    style.load_from_data(TAG)
    label.get_style_context().add_provider(style, Gtk.STYLE_PROVIDER_PRIORITY_APPLICATION)
    return label
