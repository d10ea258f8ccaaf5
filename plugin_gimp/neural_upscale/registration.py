"""The procedure as GIMP knows it: name, menu entry, arguments. Imports nothing that could be missing."""

from __future__ import annotations

from typing import Any

from gi.repository import Gimp, GObject

from . import entry
from .i18n import _
from .settings import LARGEST_SIDE, LEAST_SCALE, MOST_SCALE, OUTPUTS, OWN, SCALE

PROCEDURE = "plug-in-neural-upscale-x2"
READ_WRITE = GObject.ParamFlags.READWRITE


class NeuralUpscale(Gimp.PlugIn):  # type: ignore[misc]  # GIMP's classes come without types
    """The plug-in."""

    def do_set_i18n(self, _name: str) -> bool:
        """Keep GIMP from looking for its own kind of catalogue: `i18n` translates."""
        return False

    def do_query_procedures(self) -> list[str]:
        """Name the one procedure."""
        return [PROCEDURE]

    def do_create_procedure(self, name: str) -> Any:
        """Describe the procedure to GIMP."""
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, entry.run, None)
        procedure.set_image_types("RGB*, GRAY*, INDEXED*")
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE | Gimp.ProcedureSensitivityMask.DRAWABLES)
        procedure.set_menu_label(_("_Neural Upscale x2…"))
        procedure.add_menu_path("<Image>/Filters/")
        procedure.set_documentation(
            _("Enlarge the selected layers with a neural network, to twice their size or any other"),
            _(
                "Sends the pixels of the selected layers to the Neural Upscale server on this machine, which is "
                "started when it does not run, and puts the result into the image, the layer, or a new image."
            ),
            name,
        )
        procedure.set_attribution("Neural Upscale", "MIT", "2026")
        _add_arguments(procedure)
        return procedure


def _add_arguments(procedure: Any) -> None:
    outputs = Gimp.Choice.new()
    for number, (key, (label, explained)) in enumerate(OUTPUTS.items()):
        outputs.add(key, number, label, explained)
    procedure.add_choice_argument("output", _("Outpu_t"), _("Where the result goes"), outputs, "enlarge", READ_WRITE)
    # A string, not a choice: GIMP would check a choice against the list of the day it was registered.
    procedure.add_string_argument(
        "model",
        _("_Model"),
        _("A model that the server knows, or auto for the best one on this machine"),
        "auto",
        READ_WRITE,
    )
    procedure.add_double_argument(
        "detail", _("_Detail"), _("From 0, faithful, to 1, detailed; -1: the model's own default"),
        OWN, 1.0, OWN, READ_WRITE,
    )  # fmt: skip
    procedure.add_double_argument(
        "cleanup", _("Clean-_up"), _("From 0, grain and traces of JPEG stay, to 1, they go; -1: as the layer needs"),
        OWN, 1.0, OWN, READ_WRITE,
    )  # fmt: skip
    procedure.add_double_argument(
        "scale", _("Si_ze"), _("How many times as wide and as high, unless a width or a height is given"),
        LEAST_SCALE, MOST_SCALE, SCALE, READ_WRITE,
    )  # fmt: skip
    procedure.add_int_argument(
        "width", _("_Width"), _("Pixels of the result; 0: not given"), 0, LARGEST_SIDE, 0, READ_WRITE
    )
    procedure.add_int_argument(
        "height", _("Hei_ght"), _("Pixels of the result; 0: not given"), 0, LARGEST_SIDE, 0, READ_WRITE
    )
    procedure.add_image_return_value("image", _("Image"), _("The image that holds the result"), False, READ_WRITE)
