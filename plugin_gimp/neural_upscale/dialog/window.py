"""The window: detail, clean-up and result in sight, the model under More, the preview. It starts the server itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
gi.require_version("Gdk", "3.0")
from gi.repository import Gdk, GimpUi, GLib, Gtk  # noqa: E402

from .. import client, masks, server  # noqa: E402
from ..i18n import _  # noqa: E402
from ..settings import AUTO, OWN, Settings  # noqa: E402
from . import models, widgets  # noqa: E402
from .preview import Preview  # noqa: E402
from .slider import Slider  # noqa: E402

HELP = Path(__file__).parent.parent / "Help.html"
SHOWN = 0.5  # where the slider stands until the model's own default is known


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
    window = GimpUi.ProcedureDialog.new(procedure, config, _("Neural Upscale x2"))
    body = _Body(window, config, image, layers)
    try:
        return bool(window.run())
    finally:
        body.end()
        window.destroy()


class _Body:
    """The window's contents and what they do."""

    def __init__(self, window: Any, config: Any, image: Any, layers: list[Any]) -> None:
        self._config = config
        self._pixels = masks.pixel_count(image, layers)
        self._preview = Preview(image, layers[0], self._measured)
        self._models = models.Models({}, AUTO)
        self._wished: float | None = None  # the detail to return to when a model that takes one is chosen again
        self._ended = False
        self._names = Gtk.ListStore(str, str)
        self._own = Gtk.CheckButton.new_with_mnemonic(_("Model's own _detail"))
        self._scale = Gtk.Scale.new_with_range(Gtk.Orientation.HORIZONTAL, 0.0, 1.0, 0.05)
        self._without = Gtk.Label(label=_("This model has no detail to choose."), xalign=0.0, no_show_all=True)
        ends = _("as it is"), _("clean")
        self._cleanup = Slider(config, "cleanup", _("A_utomatic clean-up"), ends, step=0.25)
        self._licence = Gtk.Label(xalign=0.0, wrap=True, selectable=True, max_width_chars=30)
        self._estimate = Gtk.Label(xalign=0.0, wrap=True, max_width_chars=30)
        self._again = Gtk.Button.new_with_mnemonic(_("Try a_gain"))
        self._again.set_no_show_all(True)
        self._list_models()
        self._build(window)
        self._show_detail()
        self._handlers = [config.connect(f"notify::{name}", self._changed) for name in ("model", "detail", "cleanup")]
        self._own.connect("toggled", self._own_toggled)
        self._scale.connect("value-changed", self._scale_moved)
        self._cleanup.listen()
        self._again.connect("clicked", lambda _button: self._find_server())
        self._find_server()

    def end(self) -> None:
        """Let go of the configuration and the server."""
        self._ended = True
        for handler in self._handlers:
            self._config.disconnect(handler)
        self._preview.end()

    def _build(self, window: Any) -> None:
        options = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._cleanup.set_tooltip_text(_("As it is keeps grain and traces of JPEG; clean removes them"))
        cleanup = _heading(_("Clean-up")), self._cleanup
        for each in (*self._detail_row(), *cleanup, *self._result_row(), self._more(), self._estimate, self._again):
            options.pack_start(each, False, False, 0)
        body = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=18, border_width=12)
        body.pack_start(options, False, False, 0)
        body.pack_start(self._preview, True, True, 0)
        window.get_content_area().pack_start(body, True, True, 0)
        body.show_all()
        window.connect("response", _help_asked)
        window.connect("key-press-event", _f1_pressed)

    def _detail_row(self) -> tuple[Any, ...]:
        self._own.set_tooltip_text(_("Take the detail that suits this model best"))
        self._scale.set_tooltip_text(
            _("Faithful shows only what the photo says for sure; detailed adds texture that is likely")
        )
        self._scale.set_draw_value(True)
        self._scale.add_mark(0.0, Gtk.PositionType.BOTTOM, _("faithful"))
        self._scale.add_mark(1.0, Gtk.PositionType.BOTTOM, _("detailed"))
        return _heading(_("Detail")), self._own, self._scale, self._without

    def _result_row(self) -> tuple[Any, ...]:
        choices = {
            "enlarge": (
                _("Enlarge the _image"),
                _("Everything doubles: the selected layers by the model, the rest by GIMP's cubic scaling"),
            ),
            "layer": (_("Enlarge only the la_yer"), _("The layer doubles about its top-left corner")),
            "new": (_("_New image"), _("This image stays as it is")),
        }
        chosen = str(self._config.get_property("output"))
        return _heading(_("Result")), widgets.radio_buttons(choices, chosen, self._result_chosen)

    def _result_chosen(self, output: str) -> None:
        self._config.set_property("output", output)

    def _more(self) -> Any:
        choice = GimpUi.prop_string_combo_box_new(self._config, "model", self._names, 0, 1)
        choice.set_tooltip_text(_("The network that enlarges; auto takes the best one for this machine"))
        label = Gtk.Label.new_with_mnemonic(_("Mod_el"))
        label.set_mnemonic_widget(choice)
        label.set_xalign(0.0)
        inside = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6, margin_start=12)
        for each in (label, choice, self._licence):
            inside.pack_start(each, False, False, 0)
        more = Gtk.Expander.new_with_mnemonic(_("_More"))
        more.set_tooltip_text(_("Choose the model"))
        more.add(inside)
        more.set_expanded(self._settings().model != AUTO)
        return more

    def _settings(self) -> Settings:
        return Settings.of(self._config)

    def _list_models(self) -> None:
        listed = {AUTO: self._models.auto_text(), **{name: name for name in self._models.offered()}}
        chosen = self._settings().model
        known = {row[0]: row for row in self._names}
        for name, text in {**listed, chosen: listed.get(chosen, chosen)}.items():
            if name in known:
                known[name][1] = text
            else:
                self._names.append([name, text])

    def _find_server(self) -> None:
        self._again.hide()
        self._preview.say(_("Starting the model server…"))
        server.find(self._found, self._missing)

    def _found(self, runtime: client.Runtime, listing: dict[str, Any]) -> None:
        if self._ended:
            return
        self._models = models.Models.of(listing)
        self._list_models()
        self._fit_detail()
        self._show_detail()
        self._preview.show_with(runtime, self._settings())

    def _missing(self, sentence: str) -> None:
        if not self._ended:
            self._again.show()
            self._preview.say(sentence)

    def _measured(self, seconds: float) -> None:
        self._estimate.set_text(
            _("This will take about {time} on this computer.").format(time=_roughly(seconds * self._pixels))
        )

    def _changed(self, *_about: Any) -> None:
        self._fit_detail()
        self._show_detail()
        self._preview.settings_changed(self._settings())

    def _fit_detail(self) -> None:
        """Take the detail back where the model has none, so that it is not sent; give it back where it has one."""
        settings = self._settings()
        if not self._models.takes_detail(settings.model) and settings.detail is not None:
            self._wished = settings.detail
            self._config.set_property("detail", OWN)
        elif self._models.takes_detail(settings.model) and self._wished is not None:
            wished, self._wished = self._wished, None
            self._config.set_property("detail", wished)

    def _show_detail(self) -> None:
        """Show the detail that is chosen, or the model's own, or that the model has none."""
        settings = self._settings()
        takes = self._models.takes_detail(settings.model)
        own = settings.detail is None
        self._own.set_active(own)
        self._own.set_sensitive(takes)
        self._scale.set_sensitive(takes and not own)
        self._without.set_visible(not takes)
        shown = self._models.own_detail(settings.model, SHOWN)
        self._scale.set_value(shown if settings.detail is None else settings.detail)
        self._cleanup.show_value(0.0, available=self._models.takes_cleanup(settings.model))
        self._licence.set_text(self._models.licence(settings.model))

    def _own_toggled(self, button: Any) -> None:
        own = button.get_active()
        if button.get_sensitive() and own != (self._settings().detail is None):
            self._config.set_property("detail", OWN if own else round(self._scale.get_value(), 2))

    def _scale_moved(self, scale: Any) -> None:
        if not self._own.get_active():
            self._config.set_property("detail", round(scale.get_value(), 2))


def _heading(text: str) -> Any:
    label = Gtk.Label(xalign=0.0)
    label.set_markup(f"<b>{GLib.markup_escape_text(text)}</b>")
    return label


def _roughly(seconds: float) -> str:
    if seconds < 90:
        return _("{seconds} s").format(seconds=max(1, round(seconds)))
    return _("{minutes} min").format(minutes=round(seconds / 60))


def _help_asked(window: Any, response: int) -> None:
    if response == Gtk.ResponseType.HELP:  # GIMP would look for a manual of its own
        window.stop_emission_by_name("response")
        _show_help(window)


def _f1_pressed(window: Any, event: Any) -> bool:
    if event.keyval != Gdk.KEY_F1:
        return False
    _show_help(window)
    return True


def _show_help(window: Any) -> None:
    try:
        Gtk.show_uri_on_window(window, HELP.as_uri(), Gdk.CURRENT_TIME)
    except GLib.Error:  # there is no browser
        box = Gtk.MessageDialog(transient_for=window, modal=True, buttons=Gtk.ButtonsType.CLOSE)
        box.set_markup(_("The help is in this file, which can be opened in a browser:") + f"\n{HELP}")
        box.run()
        box.destroy()
