"""The preview: which patch is looked at, and asking the server for it.

Everything about GIMP happens in the window's thread; the server is asked in a thread of `client.LatestOnly`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gi.repository import GLib, Gtk

from .. import client, host, masks, server
from ..i18n import _
from ..settings import Settings
from . import patch, widgets
from .comparison import Comparison
from .patch import Patch
from .thumbnail import Thumbnail

SETTLING = 150  # milliseconds that a size has to last
PATIENCE = 500  # milliseconds after which waiting is told of
ZOOMS = (1, 3)  # the screen's pixels for one of the result


@dataclass(frozen=True)
class Request:
    """What the preview is to show: which patch, by which settings, from which server."""

    patch: Patch
    samples: client.Samples
    settings: Settings
    runtime: client.Runtime


class Preview(Gtk.Box):  # type: ignore[misc]  # GTK's classes come without types
    """The patch before | after. `show_with` once a server is there; `settings_changed` whenever something changed.

    Args:
        image: GIMP's image.
        layer: the layer that is previewed.
        factor: how many times as large the result is.
        answered: called with the seconds that the server took for a pixel that it computed, and the clean-up that it
            estimated, if it did.

    Attributes:
        place: the thumbnail and the zoom, to be laid out elsewhere.
        beside: of `place`, the part beside the thumbnail, which has room below the zoom.
    """

    def __init__(self, image: Any, layer: Any, factor: float, answered: Callable[[float, float | None], None]) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._looks = patch.Looks.of(image, layer)
        area = masks.selected(image)
        whole = host.region_of(layer)
        wanted = whole if area is None or area.intersected(whole).is_empty else area.intersected(whole)
        self._centre = patch.most_detailed(layer, wanted)
        self._tell = answered
        self._samples = host.take_samples(layer, host.encoding_of(layer, image))
        self._zoom, self._factor = ZOOMS[0], factor
        self._patch: Patch | None = None
        self._after: bytes | None = None
        self._seen = self._taken_for = (client.Size(1, 1), 0, factor)
        self._ended = False
        self._runtime: client.Runtime | None = None
        self._settings = Settings()
        self._waiting: Request | None = None
        self._asker = client.LatestOnly(self._ask)
        self._comparison = Comparison()
        self._thumbnail = Thumbnail(layer, whole, self._look_at)
        self._status = Gtk.Label(xalign=0.0, yalign=0.0, wrap=True, selectable=True, width_chars=40, max_width_chars=60)
        self._status.set_lines(2)
        self.pack_start(self._comparison, True, True, 0)
        self.pack_start(self._status, False, False, 0)
        self.place = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=12)
        zooms = widgets.switch(
            {each: f"_{100 * each} %" for each in ZOOMS}, _("Size of the preview"), self._zoom_chosen
        )
        self.place.pack_start(self._thumbnail, False, False, 0)
        self.beside = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self.beside.pack_start(zooms, False, False, 0)
        self.place.pack_start(self.beside, True, True, 0)
        GLib.timeout_add(SETTLING, self._follow_size)

    def show_with(self, runtime: client.Runtime, settings: Settings) -> None:
        """Begin to preview with this server."""
        self._runtime = runtime
        self.say("")
        self.settings_changed(settings, self._factor)

    def settings_changed(self, settings: Settings, factor: float) -> None:
        """Ask for the patch by other settings; of another size, `_follow_size` takes another patch."""
        self._settings, self._factor = settings, factor
        if self._runtime is not None and self._patch is not None and factor == self._taken_for[2]:
            self._waiting = Request(self._patch, self._samples, settings, self._runtime)
            self._asker.ask(self._waiting)
            GLib.timeout_add(PATIENCE, self._tell_of_waiting, self._waiting)

    def say(self, text: str) -> None:
        """Show a sentence below the picture: what is waited for, or why there is no preview."""
        self._status.set_text(text)

    def end(self) -> None:
        """Cancel what is under way; returns at once."""
        self._ended = True
        self._asker.end()

    def _tell_of_waiting(self, request: Request) -> bool:
        if request is self._waiting and not self._ended:
            self.say(_("Enlarging…"))
        return False

    def _zoom_chosen(self, zoom: int) -> None:
        self._zoom = zoom

    def _follow_size(self) -> bool:
        """Take a larger or smaller patch, once window and result keep their new size; return whether to go on."""
        now = (self._comparison.room(), self._zoom, self._factor)
        if not self._ended and now == self._seen != self._taken_for and now[0].width > 1:
            self._taken_for = now
            self._look_at(self._centre)
        self._seen = now
        return not self._ended

    def _look_at(self, centre: tuple[int, int]) -> None:
        """Take the patch about a point, and show it as GIMP would enlarge it until the server has answered."""
        if self._ended:
            return
        room, zoom, factor = self._taken_for
        self._centre = centre
        self._patch = self._looks.take(centre, client.Size(-(-room.width // zoom), -(-room.height // zoom)), factor)
        self._after = None
        self._thumbnail.show_patch(self._patch.region)
        self._draw()
        self.settings_changed(self._settings, self._factor)

    def _ask(self, request: Request, cancel: client.Cancel) -> None:
        """Ask the server, in the other thread; no GIMP and no GTK here."""
        settings, patch, begun = request.settings, request.patch, time.monotonic()
        chosen: list[client.Chosen] = []
        try:
            answer = client.upscale(
                request.runtime, patch.pixels, patch.sent.size, patch.encoding.wire,
                client.Options(settings.model, settings.detail, settings.cleanup, patch.asked),
                samples=request.samples, on_chosen=chosen.append, cancel=cancel,
            )  # fmt: skip
        except client.Cancelled:
            return
        except client.ClientError as fault:
            GLib.idle_add(self._failed, request, server.sentence(fault))
        else:
            seconds = (time.monotonic() - begun) / client.computed_pixels(patch.sent.size, patch.asked)
            GLib.idle_add(self._answered, request, answer, seconds, chosen[-1].cleanup)

    def _answered(self, request: Request, answer: Any, seconds: float, cleanup: float | None) -> None:
        if request is self._waiting and not self._ended:
            self._waiting = None
            self._after = self._looks.shown(request.patch, answer)
            self.say("")
            self._draw()
            self._tell(seconds, cleanup if request.settings.cleanup is None else None)

    def _failed(self, request: Request, sentence: str) -> None:
        if request is self._waiting and not self._ended:
            self._waiting = self._after = None
            self.say(sentence)
            self._draw()

    def _draw(self) -> None:
        if self._patch is not None:
            self._comparison.show_pixels(self._patch.size, self._taken_for[1], self._patch.before, self._after)
