"""One upscale of what is open, and what the interpreter makes of text."""

import locale
import sys

from inside import answer, krita, pixels, save


def steps():
    import neural_upscale

    document = krita.activeDocument()
    neural_upscale.help()
    result = neural_upscale.upscale(model="fixed")
    yield 0.3
    action = krita.action("neural_upscale_x2")
    save("simple.bin", pixels(result, 0, 0, document.width(), document.height()))
    answer(
        size=[document.width(), document.height()],
        encodings=[sys.getfilesystemencoding(), locale.getpreferredencoding(False)],
        text=action.text(), tip=action.toolTip(), shortcut=action.shortcut().toString(), file=neural_upscale.__file__,
    )  # fmt: skip
