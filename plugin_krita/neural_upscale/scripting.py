"""`neural_upscale.upscale()` for Krita's Scripter and other plug-ins."""

from __future__ import annotations

from typing import Any

from . import host, log
from .desk import DESK
from .errors import Cancelled, NothingToUpscale
from .options import Options
from .qt import QtCore, execute

USAGE = """\
Neural Upscale x2: enlarges the active layer of the active document twofold.

    import neural_upscale
    result = neural_upscale.upscale(model="auto", detail=None, output="enlarge")

model   a model's name as the server knows it, or "auto"
detail  from 0 (faithful) to 1 (detailed), or None for the model's own default
output  "enlarge"  the document is doubled; returns the new layer
        "layer"    only the layer is doubled; returns the new layer
        "new"      a new document; returns it

With a selection, only that part is enlarged by the network. The call waits for the result while Krita
goes on, and raises neural_upscale.UpscaleError with a sentence when there is none."""


def upscale(detail: float | None = None, output: str = "enlarge", model: str = "auto") -> Any:
    """Enlarge the active layer twofold; wait for the result while Krita's windows live on.

    Args:
        detail: 0 (faithful) … 1 (detailed), or None for the model's own default.
        output: "enlarge", "layer" or "new".
        model: a model's name, or "auto".

    Returns:
        The new node (enlarge, layer) or the new document (new).

    Raises:
        UpscaleError: there is no result; the text says why, and what to do. The document is as it was.
    """
    try:
        options = Options(model, detail, output)
        document = host.krita().activeDocument()
        if document is None:
            raise NothingToUpscale("No document is open; open a picture and choose a layer.")
        run = DESK.begin(document, document.activeNode(), options)
        loop = QtCore.QEventLoop()
        run.ended.connect(loop.quit)
        run.start()
        execute(loop)
    except Exception as fault:
        raise log.as_upscale_error(fault) from fault
    if run.error is not None:
        raise run.error
    if run.placed is None:
        raise Cancelled("Krita is closing, so the work was cancelled.")
    for sentence in run.placed.sentences():
        print(sentence)  # noqa: T201 (the Scripter's output pane is where its user looks)
    return run.placed.result


def help() -> None:  # noqa: A001 (its public name)
    """Print how `upscale` is called."""
    print(USAGE)  # noqa: T201
