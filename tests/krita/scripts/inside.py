"""What the scripts that run inside Krita have in common."""

import json
import time
import urllib.request
from pathlib import Path

from krita import Krita

try:
    from PyQt5 import QtCore, QtGui, QtTest, QtWidgets
except ImportError:  # Krita 6
    from PyQt6 import QtCore, QtGui, QtTest, QtWidgets  # noqa: F401

QAction = QtGui.QAction if hasattr(QtGui, "QAction") else QtWidgets.QAction
JOB = Path("/job")
krita = Krita.instance()
_answers = {}


def parameters():
    return json.loads((JOB / "parameters.json").read_text(encoding="utf-8"))


def answer(**told):
    """Pass answers to the test; may be called several times."""
    _answers.update(told)
    (JOB / "answer.json").write_text(json.dumps(_answers), encoding="utf-8")


def screenshot(name):
    (JOB / "screenshots").mkdir(exist_ok=True)
    QtWidgets.QApplication.primaryScreen().grabWindow(0).save(str(JOB / "screenshots" / f"{name}.png"))


def pixels(node, x, y, width, height):
    return bytes(node.pixelData(x, y, width, height))


def save(name, data):
    (JOB / name).write_bytes(data)


def rectangle(node):
    return list(node.bounds().getRect())


def layers(document):
    """The tree of layers: name, type, visible, bounds, children; without Krita's own helper that draws guides.

    A selection mask's bounds are left out: they are those of the memory that Krita took, which no undo gives back.
    """

    def told(node):
        bounds = [] if node.type() == "selectionmask" else rectangle(node)
        return [node.name(), node.type(), node.visible(), bounds, [told(each) for each in node.childNodes()]]

    return [told(each) for each in document.topLevelNodes() if each.name() != "decorations-wrapper-layer"]


def new_document(width, height, model="RGBA", depth="U8", profile="", resolution=72.0):
    """A document with an empty layer list, in no window."""
    document = krita.createDocument(width, height, "test", model, depth, profile, resolution)
    for node in document.topLevelNodes():
        node.remove()
    return document


def until(condition, seconds=120, fails=True):
    """Let Krita run until the condition holds; after so many seconds fail, or go on."""
    for _ in range(int(seconds * 20)):
        if condition():
            return
        yield 0.05
    if fails:
        screenshot("failure")
        raise AssertionError("it never came")


def shown(width, height, *space):
    """A new document without layers, in front."""
    document = new_document(width, height, *space)
    krita.activeWindow().addView(document)
    yield from until(lambda: krita.activeDocument() == document)
    yield 0.1
    return document


def choose(document, node):
    """Make a layer that was just added the active one; before Krita's own event loop has run it would complain."""
    document.waitForDone()
    yield 0.1
    document.setActiveNode(node)
    yield from until(lambda: document.activeNode() == node)


def boxes_of(trigger, seconds=0.8, picture=""):
    """The texts of the message boxes that something shows; each is closed when it has been drawn."""
    texts, seen = [], []

    def read():
        box = QtWidgets.QApplication.activeModalWidget()
        seen.append(box)
        if box is not None and seen[-2:] == [box, box]:
            texts.append(box.text())
            if picture:
                screenshot(picture)
            box.accept()

    timer = QtCore.QTimer()
    timer.timeout.connect(read)
    timer.start(200)
    trigger()
    limit = time.monotonic() + 20
    while not texts and time.monotonic() < limit:
        yield 0.1
    yield seconds
    timer.stop()
    return texts


def server(route):
    """The answer of the model server to a GET."""
    told = json.loads((JOB / "runtime.json").read_text(encoding="utf-8"))
    asked = urllib.request.Request(told["url"] + route, headers={"Authorization": f"Bearer {told['token']}"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=20) as answered:
        return answered.read().decode()


def add_layer(document, name, data=None, region=None, parent=None):
    node = document.createNode(name, "paintlayer")
    if data is not None:
        node.setPixelData(QtCore.QByteArray(data), *region)
    (parent or document.rootNode()).addChildNode(node, None)
    return node


def undo(document, times=1, action="edit_undo"):
    """Undo so many times; Krita drops an Undo that comes while it still draws, so wait for that first."""
    from neural_upscale.host.history import HISTORY

    for _ in range(times):
        for _ in range(200):
            document.waitForDone()
            if document.tryBarrierLock():
                document.unlock()
                break
            yield 0.05
        krita.action(action).trigger()
        document.waitForDone()
        yield 0.2
        yield from until(lambda: not HISTORY.moving)


def close(document):
    document.waitForDone()
    document.setModified(False)
    document.close()
