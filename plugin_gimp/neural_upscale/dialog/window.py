"""The window: the controls, the preview, and how long it will take. It starts the server itself."""

from __future__ import annotations

from typing import Any

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
gi.require_version("Gdk", "3.0")
from gi.repository import Gdk, GimpUi, Gtk  # noqa: E402

from .. import client, masks, server, sizes  # noqa: E402
from ..i18n import _  # noqa: E402
from . import help, models  # noqa: A004, E402
from .options import Options  # noqa: E402
from .preview import Preview  # noqa: E402

AT_START = client.Size(860, 540)  # GTK's pixels; a screen of 1080 rows at 200 % has 540
OF_THE_SCREEN = 0.95
SHOWN = ("scale", "width", "height", "detail", "cleanup", "output", "model")  # the arguments that the window shows


def ask(procedure: Any, config: Any, image: Any, layers: list[Any]) -> bool:
    """Show the window and wait for the user.

    Args:
        procedure: GIMP's procedure.
        config: its arguments; what the user chose is in them afterwards.
        image: the image.
        layers: the layers to be enlarged; the first is previewed.

    Returns:
        False when the user left by Cancel.
    """
    GimpUi.init("neural-upscale.py")
    window = GimpUi.ProcedureDialog.new(procedure, config, _("Neural Upscale"))
    body = _Body(window, config, image, layers)
    try:
        return bool(window.run())
    finally:
        body.end()
        window.destroy()


class _Body:
    """The window's contents and what they do."""

    def __init__(self, window: Any, config: Any, image: Any, layers: list[Any]) -> None:
        self._config, self._image, self._layers = config, image, layers
        self._ended = False
        self._speed = 0.0  # seconds for a pixel that the server computes; 0 until it has answered
        self._options = Options(config, self._basis)
        self._preview = Preview(image, layers[0], self._factor(), self._answered)
        self._estimate = Gtk.Label(xalign=0.0, wrap=True, width_chars=18, max_width_chars=18)
        self._again = Gtk.Button.new_with_mnemonic(_("Try a_gain"))
        self._again.set_no_show_all(True)
        self._again.connect("clicked", lambda _button: self._find_server())
        self._build(window)
        help.offer(window)
        self._handlers = [config.connect(f"notify::{name}", self._changed) for name in SHOWN]
        self._find_server()

    def end(self) -> None:
        """Let go of the configuration and the server."""
        self._ended = True
        for handler in self._handlers:
            self._config.disconnect(handler)
        self._preview.end()

    def _build(self, window: Any) -> None:
        side = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12)
        side.set_hexpand(False)  # what the window gains is the preview's
        side.pack_start(self._options, False, False, 0)
        for each in (self._estimate, self._again):
            self._preview.beside.pack_start(each, False, False, 0)
        side.pack_end(self._preview.place, False, False, 0)
        body = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=18, border_width=12)
        body.pack_start(side, False, False, 0)
        body.pack_start(self._preview, True, True, 0)
        window.get_content_area().pack_start(body, True, True, 0)
        body.show_all()
        area = Gdk.Display.get_default().get_monitor(0).get_workarea()
        room = client.Size(int(area.width * OF_THE_SCREEN), int(area.height * OF_THE_SCREEN))
        window.set_default_size(min(AT_START.width, room.width), min(AT_START.height, room.height))

    def _find_server(self) -> None:
        self._again.hide()
        self._preview.say(_("Starting the model server…"))
        server.find(self._found, self._missing)

    def _found(self, runtime: client.Runtime, listing: dict[str, Any]) -> None:
        if not self._ended:
            self._options.know(models.Models.of(listing))
            self._preview.show_with(runtime, self._options.settings)

    def _missing(self, sentence: str) -> None:
        if not self._ended:
            self._again.show()
            self._preview.say(sentence)

    def _answered(self, seconds: float, cleanup: float | None) -> None:
        """Take what an answer tells: seconds for a pixel that the server computed, and the clean-up it estimated."""
        self._speed = seconds
        self._options.show_estimate(cleanup)
        self._show_time()

    def _changed(self, *_about: Any) -> None:
        self._options.refresh()
        self._preview.settings_changed(self._options.settings, self._factor())
        self._show_time()

    def _show_time(self) -> None:
        if not self._speed:
            return
        area, factor = masks.selected(self._image), self._factor()
        wanted = [masks.wanted_of(each, area).size for each in self._layers]
        pixels = sum(client.computed_pixels(size, size.enlarged(factor)) for size in wanted)
        self._estimate.set_text(
            _("This takes about {time} on this computer.").format(time=_roughly(self._speed * pixels))
        )

    def _basis(self, output: str) -> client.Size:
        return masks.basis(self._image, self._layers, output).size

    def _factor(self) -> float:
        settings = self._options.settings
        before = self._basis(settings.output)
        return sizes.result_of(settings, before).width / before.width


def _roughly(seconds: float) -> str:
    if seconds < 90:
        return _("{seconds} s").format(seconds=max(1, round(seconds)))
    return _("{minutes} min").format(minutes=round(seconds / 60))
