"""Krita is closed while the server works."""

import events
from inside import QtCore, QtWidgets, answer, krita, parameters


def steps():
    document, _ = yield from events.fresh(events.BIG)
    events.hold()
    timer = QtCore.QTimer()
    timer.timeout.connect(lambda: leave(document, timer))
    timer.start(200)
    if parameters()["from"] == "script":
        import neural_upscale

        try:
            neural_upscale.upscale(model="fixed")
        except neural_upscale.UpscaleError as fault:
            answer(error=str(fault))
    else:
        events.begin()
    yield 300
    raise AssertionError("Krita did not end")


def leave(document, timer):
    """Close Krita as soon as the first band has come."""
    from neural_upscale.run_guard import GUARD

    if GUARD.current is None or GUARD.current._panel._progress is None:
        return
    timer.stop()
    answer(finished=events.pixels_enlarged(), worked=events.at_work())
    document.setModified(False)
    krita.activeWindow().qwindow().close()
    QtWidgets.QApplication.quit()
