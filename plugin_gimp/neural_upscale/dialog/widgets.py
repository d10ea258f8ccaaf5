"""The parts of the dialog: pictures made of pixel buffers, which can be clicked and steered by keys, and choices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gi.repository import Gdk, GdkPixbuf, GLib, Gtk

from .. import client

BYTES = 4  # a pixel: RGBA in 8 bits
CHECKS = (8, 0x999999, 0x666666)  # side in pixels and colours of what is shown under transparency
BLACK, WHITE = 0x000000FF, 0xFFFFFFFF


class Picture(Gtk.Layout):  # type: ignore[misc]  # GTK's classes come without types
    """Shows a pixel buffer, one of its pixels on each pixel of the screen; clicks and keys act on it.

    A Gtk.Layout asks for no more room than it is told to, so that the window can be made smaller again. The buffer is
    shown as an icon because GTK would stretch a plain one on a screen with a scale, and Python here has no cairo.

    Args:
        smallest: the size that it asks for, in GTK's pixels.
        act: called with the place in the screen's pixels, on pressing and dragging.
        key: called with a key's name; returns whether it meant something.
        redraw: called when the focus comes or goes.
    """

    def __init__(
        self,
        smallest: client.Size,
        act: Callable[[float, float], None],
        key: Callable[[str], bool],
        redraw: Callable[[], None],
    ) -> None:
        super().__init__(can_focus=True)
        self.set_size_request(smallest.width, smallest.height)
        self.add_events(Gdk.EventMask.BUTTON_PRESS_MASK | Gdk.EventMask.BUTTON1_MOTION_MASK)
        self._image = Gtk.Image(xalign=0.0, yalign=0.0)
        self.put(self._image, 0, 0)
        self._act = act
        self.connect("button-press-event", self._pressed)
        self.connect("motion-notify-event", self._pressed)
        self.connect("key-press-event", lambda _self, event: key(Gdk.keyval_name(event.keyval) or ""))
        for each in ("focus-in-event", "focus-out-event"):
            self.connect_after(each, lambda *_about: redraw())

    def room(self) -> client.Size:
        """Return its size in the screen's pixels."""
        scale = self.get_scale_factor()
        return client.Size(self.get_allocated_width() * scale, self.get_allocated_height() * scale)

    def show_buffer(self, picture: Any) -> None:
        """Show a GdkPixbuf, with a frame while the keyboard acts on it."""
        if self.has_focus():
            frame(picture, 0, 0, picture.get_width(), picture.get_height())
        self._image.set_from_gicon(picture, Gtk.IconSize.DIALOG)
        self._image.set_pixel_size(math.ceil(max(picture.get_width(), picture.get_height()) / self.get_scale_factor()))

    def _pressed(self, _self: Any, event: Any) -> None:
        self.grab_focus()
        scale = self.get_scale_factor()
        self._act(event.x * scale, event.y * scale)


def pixbuf(pixels: bytes, size: client.Size, zoom: int) -> Any:
    """Return pixels (RGBA in 8 bits, rows without padding) as a picture on a chequered ground.

    Args:
        pixels: the pixels.
        size: how many.
        zoom: pixels of the picture for each, along each side.

    Returns:
        A GdkPixbuf.
    """
    picture = GdkPixbuf.Pixbuf.new_from_bytes(
        GLib.Bytes.new(pixels), GdkPixbuf.Colorspace.RGB, True, 8, size.width, size.height, size.width * BYTES
    )
    return picture.composite_color_simple(
        size.width * zoom, size.height * zoom, GdkPixbuf.InterpType.NEAREST, 255, *CHECKS
    )


def frame(picture: Any, left: int, top: int, right: int, bottom: int) -> None:
    """Draw the outline of a rectangle into a picture, white within black, so that it is seen on every ground.

    Args:
        picture: a pixbuf, which is changed; what lies outside of it is left out.
        left: the first column.
        top: the first row.
        right: the column after the last.
        bottom: the row after the last.
    """
    for inset, colour in ((0, BLACK), (1, WHITE), (2, BLACK)):
        x, y, end, foot = left + inset, top + inset, right - inset, bottom - inset
        for bar in ((x, y, end, y + 1), (x, foot - 1, end, foot), (x, y, x + 1, foot), (end - 1, y, end, foot)):
            _fill(picture, *bar, colour)


def upright(picture: Any, x: int) -> None:
    """Draw the divider into a picture: two white columns between black ones, `x` the first white one."""
    for left, right, colour in ((x - 1, x + 3, BLACK), (x, x + 2, WHITE)):
        _fill(picture, left, 0, right, picture.get_height(), colour)


def _fill(picture: Any, left: int, top: int, right: int, bottom: int, colour: int) -> None:
    left, top = max(left, 0), max(top, 0)
    right, bottom = min(right, picture.get_width()), min(bottom, picture.get_height())
    if right > left and bottom > top:
        picture.new_subpixbuf(left, top, right - left, bottom - top).fill(colour)


def switch(choices: dict[int, str], tooltip: str, act: Callable[[int], None]) -> Any:
    """Return buttons side by side of which one is down, at first the first.

    Args:
        choices: key → label, with a mnemonic.
        tooltip: what they choose.
        act: called with the key of the one that the user pressed.

    Returns:
        The box with the buttons.
    """
    box = Gtk.ButtonBox(orientation=Gtk.Orientation.HORIZONTAL, valign=Gtk.Align.START)
    box.set_layout(Gtk.ButtonBoxStyle.EXPAND)  # joined to each other
    first = None
    for key, label in choices.items():
        button = Gtk.RadioButton.new_with_mnemonic_from_widget(first, label)
        first = first or button
        button.set_mode(False)  # looks like a button
        button.set_tooltip_text(tooltip)
        button.connect("toggled", lambda each, key=key: act(key) if each.get_active() else None)
        box.pack_start(button, False, False, 0)
    return box
