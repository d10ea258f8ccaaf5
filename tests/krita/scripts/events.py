"""What happens while the server works: the window lives, cancel, a second call, changes, closing, a dying server."""

import json
import os
import time

from inside import (
    JOB,
    QtCore,
    QtWidgets,
    add_layer,
    answer,
    boxes_of,
    choose,
    close,
    krita,
    layers,
    parameters,
    pixels,
    rectangle,
    screenshot,
    server,
    shown,
    undo,
    until,
)

SIZE = 700, 500
BIG = 1600, 1200  # its result is more than what sockets and server keep for a reader that waits
HOLD, DROP = JOB / "hold", JOB / "drop"


def fresh(size=SIZE):
    document = yield from shown(*size)
    row = bytearray(os.urandom(4 * size[0]))
    row[3] = row[-1] = 255  # Krita's bounds leave out what is transparent, and one edge in 256 would be
    node = add_layer(document, "layer", bytes(row) * size[1], (0, 0, *size))
    yield from choose(document, node)
    return document, node


def begin():
    from neural_upscale.run_guard import GUARD

    krita.writeSetting("neural_upscale", "last_options", "enlarge;0.5;;2;;;fixed")
    krita.action("neural_upscale_x2_repeat").trigger()
    return GUARD.current


def until_ended(run, seconds=120):
    ended = []
    run.ended.connect(lambda: ended.append(True))
    limit = time.monotonic() + seconds
    while not ended and time.monotonic() < limit:
        yield 0.05
    return bool(ended)


def hold(share=0.0):
    """Let only so much of the next result through, of a BIG one."""
    HOLD.write_text(f"{share * 16 * BIG[0] * BIG[1]:.0f}")


def until_held(run):
    """Until the first bytes of the result have come; the relay keeps back the others."""
    yield from until(lambda: run._panel._progress is not None, 60)
    yield 0.3


def pixels_enlarged():
    """How many pixels the server has enlarged and sent in requests that it brought to their end."""
    lines = [line for line in server("/metrics").splitlines() if line.startswith("neural_upscale_pixels_total ")]
    return float(lines[0].split()[1])


def at_work():
    """Whether the server has a request under way."""
    return bool(json.loads(server("/v1/status"))["queue"]["requests"])


def what_becomes_of_the_work(leave):
    """Do `leave` while the server works, wait until it is idle, and return what it brought to its end meanwhile.

    The relay goes on holding the result back, so a server becomes idle only when its client has hung up.
    """
    before, worked = pixels_enlarged(), at_work()
    ended = yield from leave()
    yield from until(lambda: not at_work())
    held = HOLD.exists()
    return {"ended": ended, "worked": worked, "held": held, "finished": pixels_enlarged() - before}


def panel():
    found = QtWidgets.QApplication.topLevelWidgets()
    return [each for each in found if each.objectName() == "neural_upscale_progress" and each.isVisible()]


def state(document, node):
    return (
        pixels(node, 0, 0, document.width(), document.height()),
        layers(document),
        [document.width(), document.height()],
        krita.action("edit_undo").text(),
    )


def progress():
    """What the user sees while the server works, and hears from a second call."""
    document, _ = yield from fresh(BIG)
    hold(0.1)
    run = begin()
    ticks = []
    timer = QtCore.QTimer()
    timer.timeout.connect(lambda: ticks.append(True))
    timer.start(50)
    yield from until_held(run)
    enough = len(ticks) + 20
    yield from until(lambda: len(ticks) >= enough)
    held = at_work()
    hold(0.3)
    yield from until(lambda: "left" in run._panel._text.text())
    timer.stop()
    shown_panel = panel()[0]
    told = {"text": shown_panel._text.text(), "bar": shown_panel._bar.value(), "second": second_call()}
    told["held"] = held
    told["modal"] = QtWidgets.QApplication.activeModalWidget() is not None
    screenshot("progress")
    told["dialog"] = yield from boxes_of(krita.action("neural_upscale_x2").trigger)
    shown_panel._button.click()
    yield from until_ended(run)
    answer(progress=told)
    HOLD.unlink()
    close(document)
    yield 0.2


def cancel():
    """The user presses Cancel as soon as the first bytes have come: later a quick server may have done its part."""
    document, node = yield from fresh(BIG)
    before = state(document, node)
    hold()
    run = begin()
    yield from until_held(run)

    def leave():
        panel()[0]._button.click()
        return (yield from until_ended(run))

    told = yield from what_becomes_of_the_work(leave)
    told.update(kind=type(run.error).__name__, same=state(document, node) == before, panels=len(panel()))
    answer(cancel=told)
    HOLD.unlink()
    close(document)
    yield 0.2


def second_call():
    """What a script hears while a run is under way."""
    import neural_upscale

    try:
        return repr(neural_upscale.upscale())
    except neural_upscale.UpscaleError as fault:
        return f"{type(fault).__name__}: {fault}"


def changed(name, change):
    document, node = yield from fresh()
    hold()
    run = begin()
    yield from until_held(run)
    change(document, node)
    document.waitForDone()
    yield 0.3
    tree = layers(document)
    HOLD.unlink()
    ended = yield from until_ended(run)
    yield 0.3
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
    node.setPixelData(QtCore.QByteArray(bytes(400)), 5, 5, 10, 10)


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
    hold()
    run = begin()
    yield from until_held(run)
    second = yield from shown(30, 30)
    away = krita.activeDocument() == second
    HOLD.unlink()
    ended = yield from until_ended(run)
    yield 0.5
    placed = run.placed
    told = {
        "ended": ended,
        "away": away,
        "hidden": not node.visible(),
        "notices": placed.notices,
        "steps": placed.undo_steps,
    }
    told["still_away"] = krita.activeDocument() == second
    yield from bring_forward(document)
    yield from undo(document, placed.undo_steps)
    answer(elsewhere={**told, "undone": [document.width(), node.visible(), len(document.topLevelNodes())]})
    close(second)
    close(document)
    yield 0.3


def bring_forward(document):
    """As the user does with a click on its tab."""
    area = krita.activeWindow().qwindow().findChild(QtWidgets.QMdiArea)
    for page in area.subWindowList():
        area.setActiveSubWindow(page)
        if krita.activeDocument() == document:
            break
    yield 0.3


def closing():
    document, _ = yield from fresh(BIG)
    hold()
    run = begin()
    yield from until_held(run)

    def leave():
        close(document)
        return (yield from until_ended(run))

    told = yield from what_becomes_of_the_work(leave)
    answer(closing={**told, "error": str(run.error), "panels": len(panel()), "documents": len(krita.documents())})
    HOLD.unlink()


def dying():
    document, node = yield from fresh()
    before = state(document, node)
    DROP.touch()
    runs = []
    boxes = yield from boxes_of(lambda: runs.append(begin()), picture="error")
    DROP.unlink()
    answer(dying={"error": str(runs[0].error), "same": state(document, node) == before, "boxes": boxes})
    close(document)
    yield 0.2


def steps():
    yield 0.5
    for part in parameters()["parts"]:
        yield from {
            "progress": progress, "cancel": cancel, "closing": closing, "dying": dying, "elsewhere": other_document,
            "painted": lambda: changed("painted", paint), "moved": lambda: changed("moved", move),
            "deleted": lambda: changed("deleted", delete), "untouched": lambda: changed("untouched", other),
        }[part]()  # fmt: skip
