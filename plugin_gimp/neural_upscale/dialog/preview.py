"""The preview: a patch before | after with a divider to drag, and a thumbnail to choose the patch on.

Everything about GIMP happens in the window's thread; the server is asked in a thread of `client.LatestOnly`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gi.repository import Gimp, GLib, Gtk

from .. import client, host, masks
from ..client import Region
from ..i18n import _
from ..settings import Settings
from . import patch, widgets
from .patch import Patch

THUMBNAIL = client.Size(160, 160)  # pixels at most
LINE = 0xFFFFFFFF  # the divider and the frame: opaque white, RGBA


@dataclass(frozen=True)
class Request:
    """What the preview is to show: which patch of which layer, by which settings."""

    patch: Patch
    samples: client.Samples
    settings: Settings
    runtime: client.Runtime


class Preview(Gtk.Box):  # type: ignore[misc]  # GTK's classes come without types
    """The widget. `show_with` once a server is there; `settings_changed` whenever the user changed something."""

    def __init__(self, image: Any, layer: Any) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._image, self._layer = image, layer
        area = masks.selected(image)
        whole = host.region_of(layer)
        wanted = whole if area is None or area.intersected(whole).is_empty else area.intersected(whole)
        self._bounds, self._centre = whole, wanted.centre
        self._patch: Patch | None = None
        self._samples = host.take_samples(layer, host.encoding_of(layer, image))
        self._after: bytes | None = None
        self._divider = 0.5
        self._runtime: client.Runtime | None = None
        self._settings = Settings()
        self._asker = client.LatestOnly(self._ask)
        self._build()

    def show_with(self, runtime: client.Runtime, settings: Settings) -> None:
        """Begin to preview with this server."""
        self._runtime = runtime
        self._say(_("Asking the server…"))
        self._take(self._centre)
        self.settings_changed(settings)

    def settings_changed(self, settings: Settings) -> None:
        """Ask for the patch by other settings."""
        self._settings = settings
        if self._runtime is not None and self._patch is not None:
            self._asker.ask(Request(self._patch, self._samples, settings, self._runtime))

    def say_why_not(self, sentence: str) -> None:
        """Show a sentence in place of the preview: why there is none."""
        self._say(sentence)
        self._views.hide()

    def end(self) -> None:
        """Cancel what is under way; returns at once."""
        self._asker.end()

    def _build(self) -> None:
        self._picture, self._thumbnail = Gtk.Image(), Gtk.Image()
        self._views = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=6)
        self._views.pack_start(widgets.clickable(self._picture, self._divide), False, False, 0)
        side = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        side.pack_start(widgets.clickable(self._thumbnail, self._choose), False, False, 0)
        hint = Gtk.Label(
            label=_("Left: GIMP's cubic scaling\nRight: this model\n\nDrag the line; click here\nto look elsewhere.")
        )
        side.pack_start(hint, False, False, 0)
        self._views.pack_start(side, False, False, 0)
        self._views.show_all()
        self._views.hide()
        self._views.set_no_show_all(True)
        self._status = Gtk.Label(xalign=0.0, wrap=True, width_chars=40, max_width_chars=60)
        self.pack_start(self._views, True, True, 0)
        self.pack_start(self._status, False, False, 0)

    def _say(self, text: str) -> None:
        self._status.set_text(text)

    def _take(self, centre: tuple[int, int]) -> None:
        """Take the patch about a point, and show it as GIMP would enlarge it until the server has answered."""
        self._centre = centre
        self._patch, self._after = patch.take(self._image, self._layer, centre), None
        self._draw_thumbnail(self._patch.region)
        self._draw()
        self._views.show()

    def _ask(self, request: Request, cancel: client.Cancel) -> None:
        """Ask the server, in the other thread; no GIMP and no GTK here."""
        settings = request.settings
        chosen: list[client.Chosen] = []
        try:
            answer = client.upscale(
                request.runtime, request.patch.pixels, request.patch.sent.size, request.patch.encoding.wire,
                model=settings.model, detail=settings.detail, cleanup=settings.cleanup, samples=request.samples,
                on_chosen=chosen.append, cancel=cancel,
            )  # fmt: skip
        except client.Cancelled:
            return
        except client.ClientError as fault:
            GLib.idle_add(self._failed, request, str(fault))
        else:
            GLib.idle_add(self._answered, request, answer, chosen[-1].cleanup)

    def _answered(self, request: Request, answer: Any, cleanup: float | None) -> None:
        if request.patch is self._patch and request.settings == self._settings:
            self._after = patch.shown(request.patch, answer)
            estimated = cleanup is not None and request.settings.cleanup is None
            self._say(_("Clean-up {value}, as this layer needs.").format(value=f"{cleanup:g}") if estimated else "")
            self._draw()

    def _failed(self, request: Request, sentence: str) -> None:
        if request.patch is self._patch and request.settings == self._settings:
            self._after = None
            self._say(sentence)
            self._draw()

    def _draw(self) -> None:
        if self._patch is None:
            return
        size, before = self._patch.size, self._patch.before
        if self._after is None:
            self._picture.set_from_pixbuf(widgets.pixbuf(before, size))
            return
        both = client.divided(before, self._after, size, self._divider, widgets.BYTES)
        picture = widgets.pixbuf(bytes(both), size)
        x = min(max(round(self._divider * size.width) - 1, 0), max(size.width - 2, 0))
        picture.new_subpixbuf(x, 0, min(2, size.width), size.height).fill(LINE)
        self._picture.set_from_pixbuf(picture)

    def _draw_thumbnail(self, region: Region) -> None:
        wanted = client.fitted(self._bounds.size, THUMBNAIL)
        thumbnail = self._layer.get_thumbnail(wanted.width, wanted.height, Gimp.PixbufTransparency.SMALL_CHECKS)
        if thumbnail is None:
            return
        thumbnail = thumbnail.copy()
        across, down = thumbnail.get_width() / self._bounds.width, thumbnail.get_height() / self._bounds.height
        inside = region.moved(-self._bounds.x, -self._bounds.y)
        left, top = int(inside.x * across), int(inside.y * down)
        right, bottom = max(left + 3, int(inside.right * across)), max(top + 3, int(inside.bottom * down))
        widgets.frame(thumbnail, left, top, right, bottom, LINE)
        self._thumbnail.set_from_pixbuf(thumbnail)

    def _divide(self, x: float, _y: float) -> None:
        if self._patch is not None:
            self._divider = min(max(x / self._patch.size.width, 0.0), 1.0)
            self._draw()

    def _choose(self, x: float, y: float) -> None:
        drawn = self._thumbnail.get_pixbuf()
        if drawn is not None:
            size = client.Size(drawn.get_width(), drawn.get_height())
            self._take(client.pointed_at((x, y), size, self._bounds))
            self.settings_changed(self._settings)
