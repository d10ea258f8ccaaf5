"""What Krita and scripts see of the plug-in: two menu entries, `upscale()` and `help()`.

The rest is imported at the first use, so that a plug-in with missing files is still in the menu and can say what to do.
"""

from __future__ import annotations

import re
from typing import Any

from krita import Extension, Krita

from .errors import Incomplete
from .host.qt import QtWidgets
from .i18n import _, say

MENU = "tools/scripts"
# Names and texts as in the `.action` file, with which Krita lets the user set shortcuts.
ASK = "neural_upscale_x2", _("Neural Upscale x2…")
REPEAT = "neural_upscale_x2_repeat", _("Neural Upscale x2 (repeat)")
USAGE = _("""\
Neural Upscale: enlarges the selected layers of the active document, twofold or to any size from ×1 to ×8.

    import neural_upscale
    result = neural_upscale.upscale(
        detail=None, output="enlarge", model="auto", cleanup=None, scale=2, width=None, height=None)

detail  from 0 (faithful) to 1 (detailed), or None for the model's own default
output  "enlarge"  the document is enlarged; returns the new layer, or a list of them for several layers
        "layer"    only the layers are enlarged; returns the same
        "new"      a new document; returns it
model   a model's name as the server knows it, or "auto"
cleanup from 0 (grain and traces of JPEG stay) to 1 (they go), or None for what the layer needs
scale   how many times as wide and high, from 1 to 8
width   pixels of the result in place of scale: of the document for "enlarge" and "new", else of the layers;
height  one of the two is enough, because the shape stays

With a selection, only that part is enlarged by the network. The call waits for the result while Krita
goes on, and raises neural_upscale.UpscaleError with a sentence when there is none.""")


class NeuralUpscale(Extension):
    """Adds the entries to each window."""

    def setup(self) -> None:
        """Do nothing: all is done when an entry is chosen."""

    def createActions(self, window: Any) -> None:  # noqa: N802 (Krita's name)
        """Add the entries to a window's menu."""
        window.createAction(*ASK, MENU).triggered.connect(self._ask)
        window.createAction(*REPEAT, MENU).triggered.connect(self._repeat)

    def _ask(self) -> None:
        self._enter("ask")

    def _repeat(self) -> None:
        self._enter("repeat")

    def _enter(self, name: str) -> None:
        try:
            act = getattr(_entry(), name)
        except Incomplete as fault:
            window = Krita.instance().activeWindow()
            QtWidgets.QMessageBox.warning(window.qwindow() if window else None, "Neural Upscale", str(fault))
        else:
            act()


def register() -> None:
    """Add the menu entries to Krita's windows."""
    application = Krita.instance()
    application.addExtension(NeuralUpscale(application))


def upscale(
    detail: float | None = None,
    output: str = "enlarge",
    model: str = "auto",
    cleanup: float | None = None,
    scale: float = 2,
    width: int | None = None,
    height: int | None = None,
) -> Any:
    """Enlarge the selected layers; wait for the result while Krita's windows live on.

    Args:
        detail: 0 (faithful) … 1 (detailed), or None for the model's own default.
        output: "enlarge", "layer" or "new".
        model: a model's name, or "auto".
        cleanup: 0 (as it is) … 1 (clean), or None for what the layer needs.
        scale: 1 … 8 times as wide and high, unless `width` or `height` says how large.
        width: pixels of the result (the document; for "layer" the layers; with a selection and not "enlarge" the
            selected part), whose shape stays; None: not given.
        height: the same.

    Returns:
        The new node (enlarge, layer; a list of them for several layers) or the new document (new).

    Raises:
        UpscaleError: there is no result; the text says why, and what to do. The document is as it was.
    """
    return _entry().upscale(
        detail=detail, output=output, model=model, cleanup=cleanup, scale=scale, width=width, height=height
    )


def help() -> None:  # noqa: A001 (its public name)
    """Print how `upscale` is called, or what is missing."""
    try:
        _entry()
    except Incomplete as fault:
        say(str(fault))
    else:
        say(USAGE)


def _entry() -> Any:
    try:
        from . import entry
    except ImportError as fault:
        found = re.search(r"'(?:\w+\.)*(\w+)'", str(fault))  # the module that Python names first
        missing = _("{file} is missing or damaged").format(file=found.group(1)) if found else str(fault)
        text = _(
            "Neural Upscale is not completely installed ({missing}); install the plug-in again: "
            "neural-upscale install krita"
        )
        raise Incomplete(text.format(missing=missing)) from fault
    return entry
