"""Krita is closed while the server works."""

import events
from inside import answer, krita, wishes
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QApplication


def steps():
    document, _ = yield from events.fresh(events.BIG)
    events.hold()
    timer = QTimer()
    timer.timeout.connect(lambda: leave(document, timer))
    timer.start(200)
    if wishes()["from"] == "script":
        import neural_upscale

        try:
            neural_upscale.upscale(model="fixed")
        except neural_upscale.UpscaleError as fault:
            answer(error=str(fault))
    else:
        events.begin()
    yield 60


def leave(document, timer):
    """Close Krita as soon as the first band has come."""
    from neural_upscale.desk import DESK

    if DESK.current is None or DESK.current._panel._pace is None:
        return
    timer.stop()
    answer(finished=events.pixels_enlarged(), worked=events.at_work())
    document.setModified(False)
    krita.activeWindow().qwindow().close()
    QApplication.quit()
