"""What comes with the result beside its pixels: metadata, names, masks, opacity, blending mode."""

from inside import QtCore, add_layer, answer, choose, close, krita, layers, save, shown, undo
from krita import InfoObject

SIZE = 40, 30
MASK = bytes(min(255, 6 * (place % 40)) for place in range(40 * 30))


def export(document, name):
    document.setBatchmode(True)
    return document.exportImage(f"/job/{name}.jpg", InfoObject())


def metadata(upscale):
    """A photo with EXIF data, enlarged and as a new document, both exported."""
    document = krita.activeDocument()
    upscale(model="fixed")
    yield 0.3
    answer(enlarged=export(document, "enlarged"))
    yield from undo(document)
    made = upscale(model="fixed", output="new")
    yield 0.3
    answer(new=export(made, "new"), name=made.name())
    close(made)
    document.setModified(False)
    yield 0.3


def look(upscale):
    """A layer with opacity, mode, label, lock and mask, as a new document: whole, and with a selection."""
    document = yield from shown(*SIZE)
    node = add_layer(document, "layer", bytes([40, 80, 120, 255]) * (40 * 30), (0, 0, *SIZE))
    yield from choose(document, node)
    node.setOpacity(100)
    node.setBlendingMode("multiply")
    node.setColorLabel(3)
    node.setLocked(True)
    mask = document.createTransparencyMask("mask")
    mask.setPixelData(QtCore.QByteArray(MASK), 0, 0, *SIZE)
    node.addChildNode(mask, None)
    document.waitForDone()
    yield 0.3
    document.setActiveNode(node)
    yield 0.3
    made = upscale(model="fixed", output="new")
    yield 0.3
    told = made.topLevelNodes()[0]
    answer(opacity=told.opacity(), mode=told.blendingMode(), label=told.colorLabel(), locked=told.locked())
    answer(tree=layers(made))
    save("kept-mask.bin", bytes(told.childNodes()[0].pixelData(0, 0, 80, 60)))
    close(made)
    close(document)
    yield 0.3


def hidden(upscale):
    """A hidden layer: its result is hidden in the document, but not as a document of its own."""
    document = yield from shown(*SIZE)
    node = add_layer(document, "layer", bytes([40, 80, 120, 255]) * (40 * 30), (0, 0, *SIZE))
    yield from choose(document, node)
    node.setVisible(False)
    made = upscale(model="fixed", output="new")
    answer(new_visible=made.topLevelNodes()[0].visible(), unnamed=made.name())
    close(made)
    yield 0.3


def steps():
    import neural_upscale

    for part in (metadata, look, hidden):
        yield from part(neural_upscale.upscale)
