"""Neural Upscale for Krita: this file only registers the menu entries and forwards to the modules beside it.

From the Scripter: `import neural_upscale; neural_upscale.upscale()`; `neural_upscale.help()` says more.

registration   the menu entries, `upscale()` and `help()`, as Krita and scripts see them
entry          the ways into a run and out of it: the result, or a sentence
run            one run from the chosen layers to the placed results
run_guard      the run under way: one at a time
settings       what the user can choose
dialog/        the window with detail, output and model, and the preview
layers         the chosen layers: their kind, place and look
source         what was taken from the document, and whether it has changed since
sizes          how large the results become, and where each lies
styles         layer styles, scaled
pixels/        the pixels on their way to the server and back
placing        the ways to put the results into the document
new_document   a document that holds the results alone
copies         the node that takes the result, with all that the original has
server         finding the server, and the thread that talks to it
progress       the small window with the progress and Cancel
log            every fault as a sentence
i18n           translations
host/          Krita's interface and its quirks, and the Qt binding
client/        a copy of server/client/, made by the installer
"""

from importlib.util import find_spec

from .errors import UpscaleError

__all__ = ["UpscaleError"]

if find_spec("krita") is not None:  # outside of Krita (a test of a single module) there is nothing to register with
    from .registration import help, register, upscale  # noqa: A004 (help: its public name)

    __all__ += ["help", "upscale"]
    register()
