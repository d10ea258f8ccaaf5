"""The dialog by itself: it starts the server, fits the screen, grows, and obeys the keyboard; with screenshots."""

import json
import os

from inside import JOB, QtCore, QtGui, QtTest, QtWidgets, answer, krita, parameters, screenshot, until


def dialog():
    found = QtWidgets.QApplication.activeModalWidget()
    return found if found is not None and found.objectName() == "neural_upscale_dialog" else None


def press(widget, key):
    widget.setFocus()
    QtTest.QTest.keyClick(widget, key)


def drag(widget, column, row):
    """Press the mouse in the middle of a widget and move it to a place."""
    button, none = QtCore.Qt.MouseButton.LeftButton, QtCore.Qt.KeyboardModifier.NoModifier
    QtTest.QTest.mousePress(widget, button, none, widget.rect().center())
    for place in (QtCore.QPoint(column + 20, row + 20), QtCore.QPoint(column, row)):
        event = QtGui.QMouseEvent(
            QtCore.QEvent.Type.MouseMove, QtCore.QPointF(place), QtCore.QPointF(widget.mapToGlobal(place)), button,
            button, none,
        )  # fmt: skip
        QtWidgets.QApplication.sendEvent(widget, event)
    QtTest.QTest.mouseRelease(widget, button, none, QtCore.QPoint(column, row))


def size(widget):
    return [widget.width(), widget.height()]


def without_server():
    """No server runs; the recorded command brings one up after a while."""
    os.environ["NEURAL_UPSCALE_RUNTIME"] = str(JOB / "dialog" / "runtime.json")
    record = JOB / "data/krita/pykrita/neural_upscale/install.json"
    told = json.loads(record.read_text(encoding="utf-8"))
    command = ["/usr/bin/python3", str(JOB / "starter.py")]
    record.write_text(json.dumps({**told, "command": command}), encoding="utf-8")


def steps():
    name = parameters()["name"]
    without_server()
    krita.writeSetting("neural_upscale", "last_options", "")  # another model than auto would open More
    krita.activeWindow().qwindow().showMaximized()
    yield 0.5
    QtCore.QTimer.singleShot(0, krita.action("neural_upscale_x2").trigger)
    yield from until(dialog)
    shown = dialog()
    view, thumbnail = shown.preview.view, shown.preview.thumbnail
    yield from until(lambda: "Starting" in view.note)
    answer(note=view.note, busy=view._busy.isVisible())
    yield 0.6  # until it has been drawn
    screenshot(f"{name}-starting")
    yield from until(shown.preview.settled)
    yield 0.3
    room = shown.screen().availableGeometry()
    answer(size=size(shown), frame=shown.frameGeometry().height(), room=[room.width(), room.height()])
    answer(
        ratio=view.devicePixelRatioF(), view=size(view), picture=size(view.before), still_busy=view._busy.isVisible()
    )
    screenshot(name)
    for key in ("Key_Home", "Key_Right", "Key_Right"):
        press(view, getattr(QtCore.Qt.Key, key))
    answer(divider=view.divider)
    before = thumbnail.patch
    press(thumbnail, QtCore.Qt.Key.Key_Left)
    yield from until(shown.preview.settled)
    answer(moved=[thumbnail.patch.x - before.x, thumbnail.patch.y - before.y])
    drag(thumbnail, 5, 5)
    yield from until(shown.preview.settled)
    answer(dragged=[thumbnail.patch.x, thumbnail.patch.y])
    shown.zooms.setCurrentIndex(1)
    yield from until(shown.preview.settled)
    answer(zoomed=size(view.before))
    shown.options.more.setChecked(True)
    yield 0.3
    screenshot(f"{name}-more")
    shown.options.more.setChecked(False)
    yield 0.2
    shown.resize(shown.width() + 60, shown.height() + 40)
    shown.zooms.setCurrentIndex(0)
    yield 0.1
    yield from until(shown.preview.settled)
    answer(grown=size(view), grown_picture=size(view.before))
    size_control(shown)
    shown.reject()
    yield 0.3


def size_control(shown):
    """A factor and a typed width; the other side and the preview follow."""
    control, factor = shown.options.size, shown.options.size.choice
    sides = control.sides["width"], control.sides["height"]
    before = [each.value() for each in sides]
    factor.setCurrentIndex(factor.findData(3.0))
    tripled = [each.value() for each in sides]
    answer(sizes=[before, tripled], tripled=[shown.settings().scale, shown._factor()])
    sides[0].setValue(1000)
    typed = shown.settings()
    answer(typed=[factor.currentText(), sides[1].value(), typed.width, typed.height])
    shown.options.outputs.setCurrentIndex(1)
    sides[1].setValue(700)
    answer(other=[sides[0].value(), shown.settings().height, [[each.minimum(), each.maximum()] for each in sides]])
