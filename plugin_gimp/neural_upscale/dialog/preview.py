"""The preview: a patch before | after with a divider, and a thumbnail on which the patch is chosen.

Everything about GIMP happens in the window's thread; the server is asked in a thread of `client.LatestOnly`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gi.repository import Gimp, GLib, Gtk

from .. import client, host, masks, server
from ..i18n import _
from ..settings import Settings
from . import patch, widgets
from .patch import Patch

THUMBNAIL = client.Size(160, 160)  # pixels at most
SMALLEST = client.Size(384, 384)  # GTK's pixels that the picture asks for
LARGEST_ROOM = 1600  # the screen's pixels, beyond which the picture grows no more
SETTLING = 150  # milliseconds that a size has to last
STEP = 0.05  # of the picture's width, by which a key moves the divider
DIRECTIONS = {"Left": (-1, 0), "Right": (1, 0), "Up": (0, -1), "Down": (0, 1)}


@dataclass(frozen=True)
class Request:
    """What the preview is to show: which patch of which layer, by which settings."""

    patch: Patch
    samples: client.Samples
    settings: Settings
    runtime: client.Runtime


class Preview(Gtk.Box):  # type: ignore[misc]  # GTK's classes come without types
    """The widget. `show_with` once a server is there; `settings_changed` whenever the user changed something.

    Args:
        image: GIMP's image.
        layer: the layer that is previewed.
        measured: called with the seconds that the server took for a pixel that was sent.
    """

    def __init__(self, image: Any, layer: Any, measured: Callable[[float], None]) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._image, self._layer = image, layer
        area = masks.selected(image)
        whole = host.region_of(layer)
        wanted = whole if area is None or area.intersected(whole).is_empty else area.intersected(whole)
        self._bounds, self._centre = whole, patch.most_detailed(layer, wanted)
        self._measured = measured
        self._patch: Patch | None = None
        self._samples = host.take_samples(layer, host.encoding_of(layer, image))
        self._after: bytes | None = None
        self._divider = 0.5
        self._seen_room = self._taken_for = client.Size(1, 1)
        self._ended = False
        self._runtime: client.Runtime | None = None
        self._settings = Settings()
        self._asker = client.LatestOnly(self._ask)
        self._build()

    def show_with(self, runtime: client.Runtime, settings: Settings) -> None:
        """Begin to preview with this server."""
        self._runtime = runtime
        self.settings_changed(settings)

    def settings_changed(self, settings: Settings) -> None:
        """Ask for the patch by other settings."""
        self._settings = settings
        if self._runtime is not None and self._patch is not None:
            self.say(_("Asking the server…"))
            self._asker.ask(Request(self._patch, self._samples, settings, self._runtime))

    def say(self, text: str) -> None:
        """Show a sentence below the picture: what is waited for, or why there is no preview."""
        self._status.set_text(text)

    def end(self) -> None:
        """Cancel what is under way; returns at once."""
        self._ended = True
        self._asker.end()

    def _build(self) -> None:
        self._picture = widgets.Picture(SMALLEST, self._divide, self._key_on_picture, self._draw)
        self._picture.set_tooltip_text(
            _("Left of the line is GIMP's own scaling, right of it the model. Drag the line, or press Left and Right.")
        )
        GLib.timeout_add(SETTLING, self._follow_size)
        size = client.fitted(self._bounds.size, THUMBNAIL)
        self._thumbnail = widgets.Picture(size, self._choose, self._key_on_thumbnail, self._draw_thumbnail)
        self._thumbnail.set_tooltip_text(_("Click or drag to look at another place, or press the arrow keys."))
        side = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        side.pack_start(self._thumbnail, False, False, 0)
        views = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=6)
        views.pack_start(self._picture, True, True, 0)
        views.pack_start(side, False, False, 0)
        self._status = Gtk.Label(xalign=0.0, yalign=0.0, wrap=True, selectable=True, width_chars=40, max_width_chars=60)
        self._status.set_lines(2)
        self.pack_start(views, True, True, 0)
        self.pack_start(self._status, False, False, 0)

    def _follow_size(self) -> bool:
        """Take a larger or smaller patch, once the window keeps its new size; return whether to be called again."""
        room = self._room()
        if not self._ended and room == self._seen_room != self._taken_for and room.width > 1:
            self._taken_for = room
            self._look_at(self._centre)
        self._seen_room = room
        return not self._ended

    def _room(self) -> client.Size:
        room = self._picture.room()
        return client.Size(min(room.width, LARGEST_ROOM), min(room.height, LARGEST_ROOM))

    def _look_at(self, centre: tuple[int, int]) -> None:
        """Take the patch about a point, and show it as GIMP would enlarge it until the server has answered."""
        if self._ended:
            return
        self._centre = centre
        self._patch, self._after = patch.take(self._image, self._layer, centre, self._taken_for), None
        self._draw_thumbnail()
        self._draw()
        self.settings_changed(self._settings)

    def _ask(self, request: Request, cancel: client.Cancel) -> None:
        """Ask the server, in the other thread; no GIMP and no GTK here."""
        settings, begun = request.settings, time.monotonic()
        chosen: list[client.Chosen] = []
        try:
            answer = client.upscale(
                request.runtime, request.patch.pixels, request.patch.sent.size, request.patch.encoding.wire,
                client.Options(settings.model, settings.detail, settings.cleanup), samples=request.samples,
                on_chosen=chosen.append, cancel=cancel,
            )  # fmt: skip
        except client.Cancelled:
            return
        except client.ClientError as fault:
            GLib.idle_add(self._failed, request, server.sentence(fault))
        else:
            seconds = (time.monotonic() - begun) / (request.patch.sent.width * request.patch.sent.height)
            GLib.idle_add(self._answered, request, answer, seconds, chosen[-1].cleanup)

    def _answered(self, request: Request, answer: Any, seconds: float, cleanup: float | None) -> None:
        if not self._ended and request.patch is self._patch and request.settings == self._settings:
            self._after = patch.shown(request.patch, answer)
            estimated = cleanup is not None and request.settings.cleanup is None
            self.say(_("Clean-up {value}, as this layer needs.").format(value=f"{cleanup:g}") if estimated else "")
            self._measured(seconds)
            self._draw()

    def _failed(self, request: Request, sentence: str) -> None:
        if not self._ended and request.patch is self._patch and request.settings == self._settings:
            self._after = None
            self.say(sentence)
            self._draw()

    def _draw(self) -> None:
        if self._patch is None:
            return
        size, before = self._patch.size, self._patch.before
        if self._after is None:
            self._picture.show_buffer(widgets.pixbuf(before, size))
            return
        both = client.divided(before, self._after, size, self._divider, widgets.BYTES)
        picture = widgets.pixbuf(bytes(both), size)
        widgets.upright(picture, min(max(round(self._divider * size.width) - 1, 0), max(size.width - 2, 0)))
        self._picture.show_buffer(picture)

    def _draw_thumbnail(self) -> None:
        scale = self._thumbnail.get_scale_factor()
        wanted = client.fitted(self._bounds.size, client.Size(THUMBNAIL.width * scale, THUMBNAIL.height * scale))
        thumbnail = self._layer.get_thumbnail(wanted.width, wanted.height, Gimp.PixbufTransparency.SMALL_CHECKS)
        if thumbnail is None or self._patch is None:
            return
        thumbnail = thumbnail.copy()
        across, down = thumbnail.get_width() / self._bounds.width, thumbnail.get_height() / self._bounds.height
        inside = self._patch.region.moved(-self._bounds.x, -self._bounds.y)
        left, top = int(inside.x * across), int(inside.y * down)
        right, bottom = max(left + 5, int(inside.right * across)), max(top + 5, int(inside.bottom * down))
        widgets.frame(thumbnail, left, top, right, bottom)
        self._thumbnail.show_buffer(thumbnail)

    def _divide(self, x: float, _y: float) -> None:
        if self._patch is not None:
            self._divider = min(max(x / self._patch.size.width, 0.0), 1.0)
            self._draw()

    def _choose(self, x: float, y: float) -> None:
        self._look_at(client.pointed_at((x, y), self._thumbnail.room(), self._bounds))

    def _key_on_picture(self, key: str) -> bool:
        places = {"Left": self._divider - STEP, "Right": self._divider + STEP, "Home": 0.0, "End": 1.0}
        if key in places and self._patch is not None:
            self._divide(places[key] * self._patch.size.width, 0.0)
        return key in places

    def _key_on_thumbnail(self, key: str) -> bool:
        if key not in DIRECTIONS or self._patch is None:
            return False
        (x, y), region = self._patch.region.centre, self._patch.region
        across, down = DIRECTIONS[key]
        self._look_at((x + across * region.width // 2, y + down * region.height // 2))
        return True
