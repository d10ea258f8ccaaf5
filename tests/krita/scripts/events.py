"""What happens while the server works: the window lives, cancel, a second call, changes, closing, a dying server."""

import os
import time

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
    screenshot,
    undo,
    wishes,
)
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QApplication

SIZE = 700, 500
OPTIONS = "enlarge;0.5;fixed"
HOLD, DROP = JOB / "hold", JOB / "drop"
PICTURE = os.urandom(4 * SIZE[0]) * SIZE[1]


def fresh():
    document = new_document(*SIZE)
    krita.activeWindow().addView(document)
    yield 0.3
    node = add_layer(document, "layer", PICTURE, (0, 0, *SIZE))
    document.waitForDone()
    yield 0.3
    document.setActiveNode(node)
    yield 0.2
    return document, node


def begin(output="enlarge"):
    from neural_upscale.desk import DESK

    krita.writeSetting("neural_upscale", "last_options", f"{output};0.5;fixed")
    krita.action("neural_upscale_x2_repeat").trigger()
    return DESK.current


def until_ended(run, seconds=20):
    ended = []
    run.ended.connect(lambda: ended.append(True))
    limit = time.monotonic() + seconds
    while not ended and time.monotonic() < limit:
        yield 0.05
    return bool(ended)


def until_held(run, seconds=20):
    """Until the first bytes of the result have come; the relay keeps back the others."""
    limit = time.monotonic() + seconds
    while run._panel._pace is None and time.monotonic() < limit:
        yield 0.1
    yield 0.3


def panel():
    found = [each for each in QApplication.topLevelWidgets() if each.objectName() == "neural_upscale_progress"]
    return [each for each in found if each.isVisible()]


def state(document, node):
    return (
        pixels(node, 0, 0, *SIZE),
        layers(document),
        [document.width(), document.height()],
        krita.action("edit_undo").text(),
    )


def cancel():
    document, node = yield from fresh()
    before = state(document, node)
    HOLD.touch()
    ticks = []
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(1))
    timer.start(50)
    begun = time.monotonic()
    run = begin()
    yield from until_held(run)
    timer.stop()
    expected_ticks = (time.monotonic() - begun) / 0.05
    shown = panel()[0]
    text, bar = shown._text.text(), shown._bar.value()
    screenshot("progress")
    second = ""
    import neural_upscale

    try:
        neural_upscale.upscale()
    except neural_upscale.UpscaleError as fault:
        second = f"{type(fault).__name__}: {fault}"
    modal = QApplication.activeModalWidget() is not None
    clicked = time.monotonic()
    shown._button.click()
    ended = yield from until_ended(run)
    told = {"ended": ended, "seconds": time.monotonic() - clicked, "kind": type(run.error).__name__}
    told.update(same=state(document, node) == before, panels=len(panel()), ticks=len(ticks) / expected_ticks)
    answer(cancel={**told, "text": text, "bar": bar, "second": second, "modal": modal})
    HOLD.unlink()
    close(document)
    yield 0.3


def changed(name, change):
    document, node = yield from fresh()
    HOLD.touch()
    run = begin()
    yield from until_held(run)
    change(document, node)
    document.waitForDone()
    yield 0.3
    tree = layers(document)
    HOLD.unlink()
    ended = yield from until_ended(run)
    yield 0.5
    told = {"ended": ended, "error": str(run.error), "same": layers(document) == tree}
    made = run.placed.result
    told.update(document=hasattr(made, "rootNode"), notices=run.placed.notices, undo_steps=run.placed.undo_steps)
    if told["document"]:
        told.update(bounds=rectangle(made.topLevelNodes()[0]), size=[made.width(), made.height()])
        close(made)
    answer(**{name: told})
    close(document)
    yield 0.3


def paint(document, node):
    node.setPixelData(QByteArray(bytes(400)), 5, 5, 10, 10)


def move(document, node):
    node.move(3, 4)


def delete(document, node):
    node.remove()


def other(document, node):
    """Nothing that was sent changes; the user goes on elsewhere."""
    add_layer(document, "more", bytes(400), (0, 0, 10, 10))


def other_document():
    """The user looks at another document when the result comes."""
    document, node = yield from fresh()
    HOLD.touch()
    run = begin()
    yield from until_held(run)
    second = new_document(30, 30)
    krita.activeWindow().addView(second)
    yield 0.5
    away = krita.activeDocument() == second
    HOLD.unlink()
    ended = yield from until_ended(run)
    yield 0.5
    placed = run.placed
    told = {"ended": ended, "away": away, "hidden": not node.visible(), "notices": placed.notices}
    yield from undo(document, placed.undo_steps)
    answer(elsewhere={**told, "undone": [document.width(), node.visible(), len(document.topLevelNodes())]})
    close(second)
    close(document)
    yield 0.3


def closing():
    document, _ = yield from fresh()
    HOLD.touch()
    run = begin()
    yield from until_held(run)
    close(document)
    begun = time.monotonic()
    ended = yield from until_ended(run)
    answer(closing={
        "ended": ended, "seconds": time.monotonic() - begun, "error": str(run.error), "panels": len(panel()),
        "documents": len(krita.documents()),
    })  # fmt: skip
    HOLD.unlink()
    yield 0.3


def dying():
    document, node = yield from fresh()
    before = state(document, node)
    DROP.touch()
    boxes, seen = [], []

    def read_box():
        box = QApplication.activeModalWidget()
        seen.append(box)
        if box is not None and seen[-2:] == [box, box]:  # the second time it has been drawn
            boxes.append(box.text())
            screenshot("error")
            box.accept()

    timer = QTimer()
    timer.timeout.connect(read_box)
    timer.start(300)
    run = begin()
    ended = yield from until_ended(run)
    yield 1.2
    timer.stop()
    DROP.unlink()
    answer(dying={"ended": ended, "error": str(run.error), "same": state(document, node) == before, "boxes": boxes})
    close(document)
    yield 0.3


def steps():
    yield 0.5
    for part in wishes()["parts"]:
        yield from {
            "cancel": cancel, "closing": closing, "dying": dying, "elsewhere": other_document,
            "painted": lambda: changed("painted", paint), "moved": lambda: changed("moved", move),
            "deleted": lambda: changed("deleted", delete), "untouched": lambda: changed("untouched", other),
        }[part]()  # fmt: skip
