"""What the scripts that run inside Krita have in common."""

import json
from pathlib import Path

from krita import Krita
from PyQt5.QtCore import QByteArray
from PyQt5.QtWidgets import QApplication

JOB = Path("/job")
krita = Krita.instance()
_answers = {}


def wishes():
    return json.loads((JOB / "wishes.json").read_text(encoding="utf-8"))


def answer(**told):
    """Tell the test; may be called several times."""
    _answers.update(told)
    (JOB / "answer.json").write_text(json.dumps(_answers), encoding="utf-8")


def screenshot(name):
    QApplication.primaryScreen().grabWindow(0).save(str(JOB / f"{name}.png"))


def pixels(node, x, y, width, height):
    return bytes(node.pixelData(x, y, width, height))


def save(name, data):
    (JOB / name).write_bytes(data)


def rectangle(node):
    return list(node.bounds().getRect())


def layers(document):
    """The tree of layers: name, type, visible, bounds, children."""

    def told(node):
        return [node.name(), node.type(), node.visible(), rectangle(node), [told(each) for each in node.childNodes()]]

    return [told(each) for each in document.topLevelNodes()]


def new_document(width, height, model="RGBA", depth="U8", profile="", resolution=72.0):
    """A document with an empty layer list, shown in the window (wait a moment after it)."""
    document = krita.createDocument(width, height, "test", model, depth, profile, resolution)
    for node in document.topLevelNodes():
        node.remove()
    return document


def add_layer(document, name, data=None, region=None, parent=None):
    node = document.createNode(name, "paintlayer")
    if data is not None:
        node.setPixelData(QByteArray(data), *region)
    (parent or document.rootNode()).addChildNode(node, None)
    return node


def undo(document, times=1):
    """Undo so many times; Krita drops an Undo that comes while it still draws, so wait for that first."""
    for _ in range(times):
        for _ in range(200):
            document.waitForDone()
            if document.tryBarrierLock():
                document.unlock()
                break
            yield 0.05
        krita.action("edit_undo").trigger()
        document.waitForDone()
        yield 0.2


def close(document):
    document.waitForDone()
    document.setModified(False)
    document.close()
