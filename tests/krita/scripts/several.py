"""Several selected layers in one run: a painted one, a group, an empty one and one that lies past the canvas."""

from inside import (
    QtCore,
    QtWidgets,
    add_layer,
    answer,
    choose,
    close,
    krita,
    layers,
    rectangle,
    save,
    shown,
    undo,
    until,
)
from kinds import PICTURE, SIZE, WHOLE, hard, whole

NAMES = ["below", "group", "above"]
OTHER = PICTURE[::-1]


def fresh():
    document = yield from shown(*SIZE)
    add_layer(document, "below", PICTURE, (8, 6, 40, 30))
    group = document.createGroupLayer("group")
    document.rootNode().addChildNode(group, None)
    add_layer(document, "inside", OTHER, (20, 12, 40, 30), group)
    add_layer(document, "empty")
    above = add_layer(document, "above", OTHER, (-10, -7, 40, 30))
    yield from choose(document, above)
    krita.action("select_all_layers").trigger()
    yield from until(lambda: len(krita.activeWindow().activeView().selectedNodes()) >= 4)
    return document


def projections(document):
    return {name: bytes(document.nodeByName(name).projectionPixelData(*WHOLE)) for name in NAMES}


def state(document):
    document.waitForDone()
    return [projections(document), layers(document), document.width(), document.height()]


def begin(document, output):
    from neural_upscale import entry
    from neural_upscale.run_guard import GUARD
    from neural_upscale.settings import Settings

    run = GUARD.begin(*entry._chosen(), Settings(model="fixed", output=output))
    run.told = []
    run._worker.progressed.connect(lambda received, promised: run.told.append((received, promised)))
    return run


def until_ended(run):
    ended = []
    run.ended.connect(lambda: ended.append(True))
    run.start()
    yield from until(lambda: ended)
    if run.error is not None:
        raise run.error
    yield 0.3


def placed(key, select=None):
    """One run; what it made, and whether one undo and one redo lead back and forth."""
    document = yield from fresh()
    if select:
        select(document)
    before = state(document)
    for name, seen in before[0].items():
        save(f"several-{key}.{name}.before", seen)
    output = key.partition("-")[0]
    run = begin(document, output)
    yield from until_ended(run)
    made = run.placed
    target = made.result if output == "new" else document
    nodes = target.topLevelNodes() if output == "new" else made.result
    for name, node in zip(NAMES, nodes, strict=True):
        save(f"several-{key}.{name}.after", whole(node))
    told = {
        "sentences": made.sentences(), "tree": layers(target), "canvas": [target.width(), target.height()],
        "bounds": [rectangle(node) for node in nodes], "progress": run.told, "names": [node.name() for node in nodes],
    }  # fmt: skip
    if output == "new":
        close(made.result)
        told["same"] = state(document) == before
    else:
        after = state(document)
        yield from undo(document)
        told["undone"] = state(document) == before
        yield from undo(document, action="edit_redo")
        told["redone"] = state(document) == after
        yield from undo(document)
        told["undone_again"] = state(document) == before
    answer(**{key: told})
    close(document)
    yield 0.2


def cancelled():
    """The user cancels while the second layer is being received."""
    document = yield from fresh()
    before, entry = state(document), krita.action("edit_undo").text()
    run = begin(document, "enlarge")
    first = 4 * pixels_of(document, "below") * 4

    def look(received, _promised):
        if received > first:
            run.cancel()

    run._worker.progressed.connect(look)
    try:
        yield from until_ended(run)
    except Exception as fault:  # noqa: BLE001 (told to the test)
        told = {"kind": type(fault).__name__, "same": state(document) == before}
        answer(cancelled={**told, "undo": krita.action("edit_undo").text() == entry})
    close(document)
    yield 0.2


def pixels_of(document, name):
    _, _, width, height = rectangle(document.nodeByName(name))
    return width * height


def changed():
    """One of them is painted on meanwhile."""
    document = yield from fresh()
    run = begin(document, "enlarge")
    run._worker.finished.disconnect(run._arrived)
    run._worker.finished.connect(lambda: (paint(document), run._arrived()))
    tree = layers(document)
    yield from until_ended(run)
    made = run.placed.result
    answer(changed={"names": [node.name() for node in made.topLevelNodes()], "same": layers(document) == tree})
    close(made)
    close(document)
    yield 0.2


def paint(document):
    document.nodeByName("above").setPixelData(bytes(400), 0, 0, 10, 10)


def scripted():
    """What upscale() gives a script."""
    import neural_upscale

    document = yield from fresh()
    made = neural_upscale.upscale(model="fixed")
    answer(scripted=[node.name() for node in made])
    yield 0.3
    close(document)
    yield 0.2


def asked():
    """The dialog about all of them."""
    document = yield from fresh()
    QtCore.QTimer.singleShot(0, krita.action("neural_upscale_x2").trigger)
    yield from until(lambda: QtWidgets.QApplication.activeModalWidget())
    dialog = QtWidgets.QApplication.activeModalWidget()
    yield from until(lambda: dialog.estimate.text())
    dialog.options.size.choice.setCurrentIndex(1)
    sides = dialog.options.size.sides
    answer(asked=[dialog.estimate.text(), sides["width"].value(), sides["height"].value()])
    dialog.reject()
    yield 0.3
    close(document)
    yield 0.2


def steps():
    for key, select in (("enlarge", None), ("enlarge-hard", hard), ("layer", None), ("new", None), ("new-hard", hard)):
        yield from placed(key, select)
    for part in (cancelled, changed, scripted, asked):
        yield from part()
