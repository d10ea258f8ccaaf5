"""The parts of the preview: pictures that can be clicked, made of pixel buffers."""

from __future__ import annotations

from typing import Any

from gi.repository import Gdk, GdkPixbuf, GLib, Gtk

from .. import client

BYTES = 4  # a pixel: RGBA in 8 bits
CHECKS = (8, 0x999999, 0x666666)  # side in pixels and colours of what is shown under transparency


def clickable(child: Any, act: Any) -> Any:
    """Wrap a picture so that pressing and dragging on it call `act(x, y)`, in the picture's own pixels."""
    box = Gtk.EventBox(halign=Gtk.Align.START, valign=Gtk.Align.START)
    box.add_events(Gdk.EventMask.BUTTON_PRESS_MASK | Gdk.EventMask.BUTTON1_MOTION_MASK)
    box.connect("button-press-event", lambda _box, event: act(event.x, event.y))
    box.connect("motion-notify-event", lambda _box, event: act(event.x, event.y))
    box.add(child)
    return box


def pixbuf(pixels: bytes, size: client.Size) -> Any:
    """Return pixels (RGBA in 8 bits, rows without padding) as a picture on a chequered ground."""
    picture = GdkPixbuf.Pixbuf.new_from_bytes(
        GLib.Bytes.new(pixels), GdkPixbuf.Colorspace.RGB, True, 8, size.width, size.height, size.width * BYTES
    )
    return picture.composite_color_simple(size.width, size.height, GdkPixbuf.InterpType.NEAREST, 255, *CHECKS)


def frame(picture: Any, left: int, top: int, right: int, bottom: int, colour: int) -> None:
    """Draw the outline of a rectangle into a picture; what lies outside of the picture is left out.

    Args:
        picture: a pixbuf, which is changed.
        left: the first column.
        top: the first row.
        right: the column after the last.
        bottom: the row after the last.
        colour: RGBA, 8 bits each.
    """
    right, bottom = min(right, picture.get_width()), min(bottom, picture.get_height())
    for x, y, width, height in (
        (left, top, right - left, 1), (left, bottom - 1, right - left, 1),
        (left, top, 1, bottom - top), (right - 1, top, 1, bottom - top),
    ):  # fmt: skip
        if width > 0 and height > 0 and x >= 0 and y >= 0:
            picture.new_subpixbuf(x, y, width, height).fill(colour)
