"""Krita is closed while the server works."""

import events
from inside import answer, krita, wishes
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QApplication


def steps():
    document, _ = yield from events.fresh()
    events.HOLD.touch()
    QTimer.singleShot(4000, lambda: leave(document))
    if wishes()["from"] == "script":
        import neural_upscale

        try:
            neural_upscale.upscale(model="fixed")
        except neural_upscale.UpscaleError as fault:
            answer(error=str(fault))
    else:
        events.begin()
    yield 60


def leave(document):
    from neural_upscale.desk import DESK

    answer(running=DESK.current is not None)
    document.setModified(False)
    krita.activeWindow().qwindow().close()
    QApplication.quit()
