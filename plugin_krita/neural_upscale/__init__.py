"""Neural Upscale x2 for Krita 5: this file only registers the menu entries and forwards to the modules beside it.

From the Scripter: `import neural_upscale; neural_upscale.upscale()`; `neural_upscale.help()` tells more.
"""

from importlib.util import find_spec

from .errors import UpscaleError

__all__ = ["UpscaleError"]

if find_spec("krita") is not None:  # outside of Krita (a test of a single module) there is nothing to register with
    from .registration import help, register, upscale  # noqa: A004 (help: its public name)

    __all__ += ["help", "upscale"]
    register()
