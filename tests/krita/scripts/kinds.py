"""Kinds of layers, outputs and selections, each in a fresh document; every scenario is undone as often as it says."""

import traceback

from inside import (
    JOB,
    QByteArray,
    add_layer,
    answer,
    close,
    krita,
    layers,
    new_document,
    pixels,
    rectangle,
    save,
    undo,
)
from krita import InfoObject, Selection

SIZE = 80, 60
REGION = 8, 6, 40, 30
PICTURE = (JOB / "picture.bin").read_bytes()  # 40×30 BGRA
MASK = bytes(min(255, 9 * (row % 17) + 4 * column) for row in range(60) for column in range(80))


def whole(node):
    return pixels(node, -20, -20, 320, 240)


def run(document, node, **options):
    """Do what upscale() does, but keep what was placed."""
    from neural_upscale.desk import DESK
    from neural_upscale.options import Options
    from neural_upscale.qt import QtCore, execute

    run = DESK.begin(document, node, Options(model="fixed", **options))
    loop = QtCore.QEventLoop()
    run.ended.connect(loop.quit)
    run.start()
    execute(loop)
    if run.error is not None:
        raise run.error
    return run.placed


def with_picture(document, region=REGION, parent=None, data=PICTURE):
    node = add_layer(document, "layer", data, region, parent)
    document.waitForDone()
    return node


def group(document):
    made = document.createGroupLayer("group")
    document.rootNode().addChildNode(made, None)
    with_picture(document, parent=made)
    made.setOpacity(200)
    made.setBlendingMode("multiply")
    return made


def vector(document):
    made = document.createVectorLayer("vector")
    document.rootNode().addChildNode(made, None)
    made.addShapesFromSvg('<svg width="80" height="60"><rect x="8" y="6" width="40" height="30" fill="#ff8000"/></svg>')
    return made


def file(document):
    made = document.createFileLayer("file", "/job/picture.png", "None")
    document.rootNode().addChildNode(made, None)
    return made


def clone(document):
    made = document.createCloneLayer("clone", with_picture(document))
    document.rootNode().addChildNode(made, None)
    return made


def fill(document):
    chosen = Selection()
    chosen.select(0, 0, *SIZE, 255)
    colour = InfoObject()
    colour.setProperty("color", "<!DOCTYPE color>\n<color channeldepth='U8'><sRGB r='0.5' g='0.1' b='0.9'/></color>")
    made = document.createFillLayer("fill", "color", colour, chosen)
    document.rootNode().addChildNode(made, None)
    return made


def masked(document):
    node = with_picture(document)
    mask = document.createTransparencyMask("mask")
    mask.setPixelData(QByteArray(MASK), 0, 0, *SIZE)
    node.addChildNode(mask, None)
    return node


def nested(document):
    made = document.createGroupLayer("group")
    document.rootNode().addChildNode(made, None)
    return with_picture(document, parent=made)


def hidden(document):
    node = with_picture(document)
    node.setVisible(False)
    return node


def beyond(document):
    return with_picture(document, (-10, -7, 40, 30))


def ground(document):
    """A layer as Krita itself makes it for a new document: it has a colour wherever nothing was painted."""
    close(document)
    document = krita.createDocument(*SIZE, "default", "RGBA", "U8", "", 72.0)
    krita.activeWindow().addView(document)
    return document.topLevelNodes()[0]


def animated(document):
    node = with_picture(document)
    node.enableAnimation()
    return node


def soft(document):
    """Chooses a part with a soft border, partly outside of the layer."""
    chosen = Selection()
    chosen.setPixelData(
        QByteArray(bytes(MASK[row * 80 + column] for row in range(26) for column in range(36))), 20, 16, 36, 26
    )
    document.setSelection(chosen)


def hard(document):
    chosen = Selection()
    chosen.select(12, 10, 16, 12, 255)
    document.setSelection(chosen)


SCENARIOS = {
    "enlarge-group": (group, None, "enlarge"),
    "enlarge-vector": (vector, None, "enlarge"),
    "enlarge-file": (file, None, "enlarge"),
    "enlarge-clone": (clone, None, "enlarge"),
    "enlarge-fill": (fill, None, "enlarge"),
    "enlarge-masked": (masked, None, "enlarge"),
    "enlarge-nested": (nested, None, "enlarge"),
    "enlarge-hidden": (hidden, None, "enlarge"),
    "enlarge-beyond": (beyond, None, "enlarge"),
    "enlarge-ground": (ground, None, "enlarge"),
    "enlarge-animated": (animated, None, "enlarge"),
    "layer-paint": (with_picture, None, "layer"),
    "layer-masked": (masked, None, "layer"),
    "layer-group": (group, None, "layer"),
    "new-paint": (with_picture, None, "new"),
    "new-beyond": (beyond, None, "new"),
    "enlarge-hard": (with_picture, hard, "enlarge"),
    "enlarge-soft": (with_picture, soft, "enlarge"),
    "layer-hard": (with_picture, hard, "layer"),
    "new-hard": (with_picture, hard, "new"),
    "new-soft": (with_picture, soft, "new"),
}


def play(key, make, choose, output):
    document = new_document(*SIZE)
    krita.activeWindow().addView(document)
    yield 0.3
    node = make(document)
    document = krita.activeDocument()
    yield 0.3
    document.waitForDone()
    document.setActiveNode(node)
    if choose is not None:
        choose(document)
    before, tree = whole(node), layers(document)
    projection = bytes(node.projectionPixelData(-20, -20, 320, 240)) if key != "enlarge-masked" else b""
    told = {"bounds_before": rectangle(node), "tree_before": tree}
    yield 0.2
    placed = run(document, node, output=output)
    yield 0.5
    result = placed.result if output != "new" else placed.result.topLevelNodes()[0]
    save(f"{key}.projection", projection)
    save(f"{key}.after", whole(result))
    shown = document if output != "new" else placed.result
    told.update(
        bounds=rectangle(result), canvas=[shown.width(), shown.height()], tree=layers(shown), notices=placed.notices,
        undo_steps=placed.undo_steps, sentences=placed.sentences(),
        opacity=result.opacity(), blending=result.blendingMode(),
        active=shown.activeNode().name() if shown.activeNode() else "", parent=result.parentNode().name(),
        animated=result.animated(),
    )  # fmt: skip
    if output == "enlarge":  # the hidden original, as Krita's own Scale Image leaves it
        save(f"{key}.scaled", whole(node))
    for mask in result.childNodes():
        if mask.type() == "transparencymask":
            save(f"{key}.mask", bytes(mask.pixelData(0, 0, 160, 120)))
    if output == "new":
        close(placed.result)
        yield 0.2
    yield from undo(document, placed.undo_steps)
    told["undone"] = [
        whole(node) == before,
        layers(document) == tree,
        [document.width(), document.height()] == list(SIZE),
    ]
    close(document)
    yield 0.2
    answer(**{key: told})


def steps():
    for key, (make, choose, output) in SCENARIOS.items():
        try:
            yield from play(key, make, choose, output)
        except Exception as fault:  # noqa: BLE001 (each scenario is judged by itself)
            traceback.print_exc()
            answer(**{key: {"fault": repr(fault)}})
            for document in krita.documents():
                close(document)
            yield 0.3
