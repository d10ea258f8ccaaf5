"""The window: what the result becomes, the model, its detail and cleanup, and the preview."""

from __future__ import annotations

from typing import Any

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import GimpUi, Gtk  # noqa: E402

from .. import client, server  # noqa: E402
from ..i18n import _  # noqa: E402
from ..settings import Settings  # noqa: E402
from .preview import Preview  # noqa: E402
from .slider import Slider  # noqa: E402

AUTO = "auto"
SHOWN_DETAIL = 0.5  # where the slider stands until the model's own default is known


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
    body = _Body(window, config, Preview(image, layers[0]))
    try:
        return bool(window.run())
    finally:
        body.end()
        window.destroy()


class _Body:
    """The window's contents and what they do."""

    def __init__(self, window: Any, config: Any, preview: Preview) -> None:
        self._config, self._preview = config, preview
        self._models: dict[str, dict[str, Any]] = {}
        self._default = AUTO
        self._names = Gtk.ListStore(str, str)
        ends = _("faithful"), _("detailed")
        self._detail = Slider(config, "detail", _("Model's own _detail"), ends, step=0.05)
        ends = _("as it is"), _("clean")
        self._cleanup = Slider(config, "cleanup", _("A_utomatic clean-up"), ends, step=0.25)
        self._start = Gtk.Button.new_with_mnemonic(_("Start the ser_ver now"))
        self._add_model(AUTO, _("auto: the best on this machine"))
        self._build(window)
        self._show_values()
        self._handlers = [config.connect(f"notify::{name}", self._changed) for name in ("model", "detail", "cleanup")]
        self._detail.listen()
        self._cleanup.listen()
        self._start.connect("clicked", self._start_clicked)
        server.look(self._found, self._missing)

    def end(self) -> None:
        """Let go of the configuration and the server."""
        for handler in self._handlers:
            self._config.disconnect(handler)
        self._preview.end()

    def _build(self, window: Any) -> None:
        self._add_model(str(self._config.get_property("model") or AUTO))
        choice = GimpUi.prop_string_combo_box_new(self._config, "model", self._names, 0, 1)
        label = Gtk.Label.new_with_mnemonic(_("_Model"))
        label.set_mnemonic_widget(choice)
        label.set_xalign(0.0)
        options = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        output = window.get_widget("output", GimpUi.IntRadioFrame.__gtype__)
        for each in (output, label, choice, self._detail, self._cleanup, self._start):
            options.pack_start(each, False, False, 0)
        body = Gtk.Box(orientation=Gtk.Orientation.HORIZONTAL, spacing=18, border_width=12)
        body.pack_start(options, False, False, 0)
        body.pack_start(self._preview, True, True, 0)
        window.get_content_area().pack_start(body, True, True, 0)
        body.show_all()
        self._start.hide()

    def _settings(self) -> Settings:
        return Settings.of(self._config)

    def _add_model(self, name: str, text: str = "") -> None:
        if name not in [row[0] for row in self._names]:
            self._names.append([name, text or name])

    def _found(self, runtime: client.Runtime, listing: dict[str, Any]) -> None:
        self._start.hide()
        self._default = str(listing.get("default") or AUTO)
        for model in listing.get("models", []):
            self._models[str(model["name"])] = model
            self._add_model(str(model["name"]))
        self._show_values()
        self._preview.show_with(runtime, self._settings())

    def _missing(self, sentence: str) -> None:
        self._start.show()
        self._start.set_sensitive(True)
        self._preview.say_why_not(
            _("The preview needs the model server, which starts with the first run, or now.\n\n{why}").format(
                why=sentence
            )
        )

    def _start_clicked(self, _button: Any) -> None:
        self._start.set_sensitive(False)
        self._preview.say_why_not(_("Starting the model server…"))
        server.start(self._found, self._missing)

    def _changed(self, *_about: Any) -> None:
        self._show_values()
        self._preview.settings_changed(self._settings())

    def _show_values(self) -> None:
        """Show what is chosen, or the model's own values, or that the model has none."""
        model = self._settings().model
        known = self._models.get(self._default if model == AUTO else model)
        span = {} if known is None else known.get("detail")
        available = span is not None
        self._detail.show_value((span or {}).get("default", SHOWN_DETAIL if available else 0.0), available=available)
        self._cleanup.show_value(0.0, available=known is None or known.get("cleanup") is not None)
