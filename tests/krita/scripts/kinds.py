"""Kinds of layers, outputs, selections and sizes, each in a fresh document.

At ×2 every scenario is undone as often as it says; other sizes are written after an @.
"""

import traceback
from xml.etree import ElementTree

from inside import (
    JOB,
    QtCore,
    add_layer,
    answer,
    choose,
    close,
    krita,
    layers,
    new_document,
    parameters,
    pixels,
    rectangle,
    save,
    shown,
    undo,
    until,
)
from krita import InfoObject, Selection

SIZE = 80, 60
WHOLE = -40, -40, 340, 260
REGION = 8, 6, 40, 30
PICTURE = (JOB / "picture.bin").read_bytes()  # 40×30 BGRA
FRAME = 5  # of the animation, beside frame 0
MASK = bytes(min(255, 9 * (row % 17) + 4 * column) for row in range(60) for column in range(80))


def whole(node):
    return pixels(node, *WHOLE)


def run(document, node, **settings):
    """Do what upscale() does, but keep what was placed."""
    from neural_upscale.host.qt import execute
    from neural_upscale.run_guard import GUARD
    from neural_upscale.settings import Settings

    run = GUARD.begin(document, [node], Settings(model="fixed", **settings))
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
    yield from until(lambda: rectangle(made)[2] > 0)  # Krita draws shapes when it finds the time
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
    # Krita fills it in the background, on a busy machine later than the next call
    yield from until(lambda: bytes(made.projectionPixelData(0, 0, 1, 1))[3:] == b"\xff")
    return made


def masked(document):
    node = with_picture(document)
    mask = document.createTransparencyMask("mask")
    mask.setPixelData(QtCore.QByteArray(MASK), 0, 0, *SIZE)
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
    """Two frames; the second one is shown."""
    node = with_picture(document, data=PICTURE[::-1])
    yield from choose(document, node)
    node.enableAnimation()
    document.setFullClipRangeEndTime(2 * FRAME)
    document.setCurrentTime(FRAME)
    document.waitForDone()
    yield 0.3
    krita.action("add_blank_frame").trigger()
    yield from until(lambda: node.hasKeyframeAtTime(FRAME))
    document.waitForDone()
    node.setPixelData(QtCore.QByteArray(PICTURE), *REGION)
    return node


def pixel(document):
    """A layer of a single pixel."""
    return with_picture(document, (7, 5, 1, 1), data=PICTURE[:4])


SHADOW = """<asl><node type="Descriptor" classId="null" name="">
<node type="UnitFloat" key="Scl " unit="#Prc" value="100"/><node type="Boolean" key="masterFXSwitch" value="1"/>
<node type="Descriptor" classId="DrSh" key="DrSh" name=""><node type="Boolean" key="enab" value="1"/>
<node type="UnitFloat" key="Opct" unit="#Prc" value="75"/><node type="UnitFloat" key="Dstn" unit="#Pxl" value="6"/>
<node type="UnitFloat" key="Ckmt" unit="#Pxl" value="30"/><node type="UnitFloat" key="blur" unit="#Pxl" value="10"/>
</node></node></asl>"""


def styled(document):
    """A layer with a drop shadow."""
    node = with_picture(document)
    node.setLayerStyleFromAsl(SHADOW)
    return node


def lengths(node):
    """The lengths of a layer style by their names."""
    found = ElementTree.fromstring(node.layerStyleToAsl() or "<asl/>").iter("node")
    return {each.get("key").strip(): float(each.get("value")) for each in found if each.get("unit") == "#Pxl"}


def guided(document):
    """A layer in a document whose guides are there, but not shown."""
    document.setHorizontalGuides([10.0])
    document.setVerticalGuides([20.0, 70.0])
    document.setGuidesVisible(False)
    return with_picture(document)


def guides(document):
    return [[document.horizontalGuides(), document.verticalGuides()], document.guidesVisible()]


def soft(document):
    """Chooses a part with a soft border, partly outside of the layer."""
    chosen = Selection()
    chosen.setPixelData(
        QtCore.QByteArray(bytes(MASK[row * 80 + column] for row in range(26) for column in range(36))), 20, 16, 36, 26
    )
    document.setSelection(chosen)


def hard(document):
    chosen = Selection()
    chosen.select(12, 10, 16, 12, 255)
    document.setSelection(chosen)


def outside(document):
    """Chooses a part that reaches past the layer and past the canvas."""
    chosen = Selection()
    chosen.select(30, 20, 90, 70, 255)
    document.setSelection(chosen)


KINDS = {
    "paint": with_picture, "group": group, "vector": vector, "file": file, "clone": clone, "fill": fill,
    "masked": masked, "nested": nested, "hidden": hidden, "beyond": beyond, "ground": ground, "animated": animated,
    "guided": guided, "pixel": pixel, "styled": styled,
}  # fmt: skip
SELECTIONS = {"hard": hard, "soft": soft, "outside": outside}


def scaled_by_krita(shown_pixels, factor):
    """What a layer shows, as Image → Scale enlarges a painted layer of it."""
    twin = new_document(*SIZE)
    node = add_layer(twin, "twin", shown_pixels, WHOLE)
    twin.waitForDone()
    twin.scaleImage(int(factor * SIZE[0]), int(factor * SIZE[1]), 72, 72, "Bicubic")
    twin.waitForDone()
    seen = whole(node)
    close(twin)
    return seen


def play(key):
    """One scenario; the key is OUTPUT-KIND or OUTPUT-KIND-SELECTION, then @SCALE unless it is ×2."""
    scenario, _, factor = key.partition("@")
    output, kind, *selection = scenario.split("-")
    scale = float(factor or 2)
    document = yield from shown(*SIZE)
    made = KINDS[kind](document)
    node = (yield from made) if hasattr(made, "send") else made
    document = krita.activeDocument()
    yield from choose(document, node)
    if selection:
        SELECTIONS[selection[0]](document)
    before, tree = whole(node), layers(document)
    seen = before if node.type() == "paintlayer" else bytes(node.projectionPixelData(*WHOLE))
    save(f"{key}.projection", seen)
    if output == "enlarge" and selection:
        save(f"{key}.scaled", scaled_by_krita(seen, scale))
    told = {"bounds_before": rectangle(node), "tree_before": tree, "guides_before": guides(document)}
    placed = run(document, node, output=output, scale=scale)
    yield 0.3
    target = document if output != "new" else placed.result
    result = placed.result if output != "new" else placed.result.topLevelNodes()[0]
    save(f"{key}.after", whole(result))
    told.update(about(placed, target, result))
    if result.animated():
        save(f"{key}.other", bytes(result.pixelDataAtTime(*WHOLE, 0)))
    for mask in result.childNodes():
        if mask.type() == "transparencymask":
            save(f"{key}.mask", bytes(mask.pixelData(0, 0, int(scale * SIZE[0]), int(scale * SIZE[1]))))
    if output == "new":
        close(placed.result)
        yield 0.1
    if not factor:
        told.update((yield from undone(document, node, placed, told, before)))
    close(document)
    answer(**{key: told})
    yield 0.1


def undone(document, node, placed, told, before):
    """Whether so many undos as were told lead back to what was there before."""
    yield from undo(document, placed.undo_steps)
    # Krita draws shapes when it finds the time, and says only then where they lie.
    yield from until(lambda: whole(node) == before and layers(document) == told["tree_before"], seconds=10, fails=False)
    tree = layers(document)
    same = [
        whole(node) == before,
        tree == told["tree_before"],
        [document.width(), document.height()] == list(SIZE),
        guides(document)[0] == told["guides_before"][0],
    ]
    return {"tree_undone": tree, "undone": same}


def about(placed, document, result):
    """What was placed, and where."""
    return {
        "bounds": rectangle(result), "canvas": [document.width(), document.height()], "tree": layers(document),
        "notices": placed.notices, "undo_steps": placed.undo_steps, "sentences": placed.sentences(),
        "opacity": result.opacity(), "blending": result.blendingMode(), "parent": result.parentNode().name(),
        "active": document.activeNode().name() if document.activeNode() else "", "animated": result.animated(),
        "guides": guides(document), "lengths": lengths(result), "name": result.name(),
        "selection": selected(document),
    }  # fmt: skip


def selected(document):
    found = document.selection()
    return None if found is None else [found.x(), found.y(), found.width(), found.height()]


def steps():
    for key in parameters()["scenarios"]:
        try:
            yield from play(key)
        except Exception:  # noqa: BLE001 (each scenario is judged by itself)
            answer(**{key: {"fault": traceback.format_exc()}})
            for document in krita.documents():
                close(document)
            yield 0.3
