"""The controls: size, detail, clean-up and output in sight, the model and its licence under More."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import GimpUi, Gtk

from .. import client
from ..i18n import _
from ..settings import AUTO, OUTPUTS, OWN, Settings
from .models import Models
from .size import SizeControl
from .slider import Slider

LABEL_DROP = 8  # GTK's pixels by which a label stands lower, beside the first line of its control


class Options(Gtk.Grid):  # type: ignore[misc]  # GTK's classes come without types
    """The controls, bound to the procedure's arguments.

    Args:
        config: the arguments.
        basis: returns the size of what is enlarged, in pixels, for an output.
    """

    def __init__(self, config: Any, basis: Callable[[str], client.Size]) -> None:
        super().__init__(row_spacing=6, column_spacing=12)
        self._config, self._basis = config, basis
        self._models = Models({}, AUTO)
        self._model = self.settings.model
        self._estimate: float | None = None
        self._names = Gtk.ListStore(str, str)
        self._size = SizeControl(config)
        self._detail = Slider(config, "detail", (_("faithful"), _("detailed")), 0.05)
        self._detail.explain(
            _("Faithful adds nothing that the photo does not hold; detailed draws texture that is likely")
        )
        self._cleanup = Slider(config, "cleanup", (_("as it is"), _("clean")), 0.25, _("a_utomatic"))
        self._cleanup.explain(
            _("Removes noise and traces of JPEG; as it is also keeps film grain. Automatic takes what the photo needs")
        )
        self._output = Gtk.ComboBoxText()
        for key, (text, _explained) in OUTPUTS.items():
            self._output.append(key, text)
        self._output.connect("changed", self._follow_output)
        self._licence = Gtk.Label(xalign=0.0, wrap=True, selectable=True, max_width_chars=30)
        rows = (
            (_("Si_ze"), self._size, self._size.choice),
            (_("_Detail"), self._detail, self._detail.scale),
            (_("Clean-u_p"), self._cleanup, self._cleanup.scale),
            (_("Outpu_t"), self._output, self._output),
        )
        for place, (label, widget, target) in enumerate(rows):
            _add_row(self, place, label, widget, target)
        self.attach(self._more(), 0, len(rows), 2, 1)
        self.know(self._models)

    @property
    def settings(self) -> Settings:
        """Return what is chosen."""
        return Settings.of(self._config)

    def know(self, models: Models) -> None:
        """Offer the models of a server, and the controls that the chosen one has."""
        self._models = models
        listed = {AUTO: models.auto_text(), **{name: name for name in models.offered()}}
        listed.setdefault(self._model, self._model)
        known = {row[0]: row for row in self._names}
        for name, text in listed.items():
            if name in known:
                known[name][1] = text
            else:
                self._names.append([name, text])
        self.refresh()

    def show_estimate(self, cleanup: float | None) -> None:
        """Show the clean-up that the server found this layer to need; None where it did not look."""
        if cleanup is not None:
            self._estimate = cleanup
            self.refresh()

    def refresh(self) -> None:
        """Show what the arguments say, and what the chosen model has."""
        model = self.settings.model
        if model != self._model:  # another model's detail means something else
            self._model = model
            self._config.set_property("detail", OWN)
        has_detail, has_cleanup = self._models.takes_detail(model), self._models.takes_cleanup(model)
        self._size.show_value(self._basis(self.settings.output))
        self._detail.show_value(
            self._models.own_detail(model),
            "" if has_detail else _("This model is faithful: it adds nothing that the photo does not hold"),
        )
        self._cleanup.show_value(self._estimate, "" if has_cleanup else _("This model has no clean-up"))
        self._output.set_active_id(self.settings.output)
        self._licence.set_text(self._models.licence(model))

    def _more(self) -> Any:
        choice = GimpUi.prop_string_combo_box_new(self._config, "model", self._names, 0, 1)
        choice.set_tooltip_text(_("The network that enlarges; auto takes the best one for this computer"))
        inside = Gtk.Grid(row_spacing=6, column_spacing=12, margin_start=12, margin_top=6)
        _add_row(inside, 0, _("Mod_el"), choice, choice)
        _add_row(inside, 1, _("Licence"), self._licence, None)
        more = Gtk.Expander.new_with_mnemonic(_("_More"))
        more.set_tooltip_text(_("Model and licence"))
        more.add(inside)
        more.set_expanded(self._model != AUTO)
        return more

    def _follow_output(self, combo: Any) -> None:
        self._config.set_property("output", combo.get_active_id())
        combo.set_tooltip_text(OUTPUTS[combo.get_active_id()][1])


def _add_row(grid: Any, row: int, text: str, widget: Any, target: Any) -> None:
    """Add a label and what it names; its mnemonic leads to the target."""
    label = Gtk.Label.new_with_mnemonic(text)
    label.set_mnemonic_widget(target)
    label.set_xalign(0.0)
    label.set_valign(Gtk.Align.START)
    label.set_margin_top(LABEL_DROP if target is not None else 0)
    widget.set_hexpand(True)
    grid.attach(label, 0, row, 1, 1)
    grid.attach(widget, 1, row, 1, 1)
