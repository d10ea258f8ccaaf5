"""What the user can do wrong, and a server that is not as it should be: each gives one sentence and changes nothing."""

import json
import os
import shutil
import sys
from pathlib import Path

import neural_upscale
from inside import JOB, QAction, add_layer, answer, boxes_of, choose, close, krita, layers, parameters, pixels, shown

DATA = bytes(range(256)) * 6  # 24×16 BGRA


def attempt(**options):
    """What upscale() raises: kind and sentence."""
    try:
        result = neural_upscale.upscale(**options)
    except neural_upscale.UpscaleError as fault:
        return [type(fault).__name__, str(fault)]
    return ["nothing", repr(result)]


def with_runtime(name, told):
    path = JOB / f"runtime-{name}.json"
    path.write_text(json.dumps(told), encoding="utf-8")
    path.chmod(0o600)
    os.environ["NEURAL_UPSCALE_RUNTIME"] = str(path)


def empty(document):
    return add_layer(document, "empty")


def mask(document):
    made = document.createTransparencyMask("veil")
    document.nodeByName("layer").addChildNode(made, None)
    return made


def filtered(document):
    made = document.createFilterLayer("blurred", krita.filter("blur"), document.selection() or _selection())
    document.rootNode().addChildNode(made, None)
    return made


def _selection():
    from krita import Selection

    return Selection()


def incomplete():
    """A copy of the plug-in without its client, as another plug-in: what its entries and functions say."""
    folder = JOB / "incomplete"
    shutil.copytree(Path(neural_upscale.__file__).parent, folder / "torn_upscale", dirs_exist_ok=True)
    shutil.rmtree(folder / "torn_upscale" / "client")
    sys.path.insert(0, str(folder))
    import torn_upscale

    told = []
    try:
        torn_upscale.upscale(detail=0.5)
    except torn_upscale.UpscaleError as fault:
        told.append(str(fault))
    torn_upscale.help()
    from torn_upscale import registration

    extension = registration.NeuralUpscale(krita)
    made = []

    class Window:
        """Takes the actions in place of a window, which has the whole plug-in's of the same names."""

        def createAction(self, name, text, menu):  # noqa: N802
            made.append(QAction(text))
            made[-1].setObjectName(name)
            return made[-1]

    extension.createActions(Window())
    for action in made:
        told += yield from boxes_of(action.trigger)
    return {"names": [each.objectName() for each in made], "told": told}


def steps():
    told = {"no_document": attempt()}
    for action in ("neural_upscale_x2", "neural_upscale_x2_repeat"):
        told[f"box_{action}"] = yield from boxes_of(krita.action(action).trigger)
    from neural_upscale import entry

    document = yield from shown(40, 30)
    node = add_layer(document, "layer", DATA, (0, 0, 24, 16))
    for name, make in (("empty", empty), ("mask", mask), ("filtered", filtered)):
        yield from choose(document, make(document))
        told[f"{name}_active"] = document.activeNode().name()
        told[name] = entry._chosen()[1][0].name() if name == "mask" else attempt()
    yield from choose(document, node)
    before, tree = pixels(node, 0, 0, 24, 16), layers(document)
    told["unknown_model"] = attempt(model="no-such-model")
    told["detail"] = attempt(detail=1.5, output="bigger")
    told["size"] = attempt(width=20)
    told["detail_of_single"] = attempt(model="fixed-faithful", detail=0.5)
    from krita import Selection

    chosen = Selection()
    chosen.select(30, 20, 8, 8, 255)
    document.setSelection(chosen)
    told["selection_elsewhere"] = attempt()
    document.setSelection(None)
    good = json.loads((JOB / "runtime.json").read_text(encoding="utf-8"))
    with_runtime("stranger", {**good, "token": "wrong"})
    told["stranger"] = attempt()
    elsewhere = {name: each for name, each in good.items() if name != "pid"}
    with_runtime("token", {**elsewhere, "token": "wrong"})
    told["wrong_token"] = attempt()
    with_runtime("dead", {**good, "url": "http://127.0.0.1:9"})
    told["dead_server"] = attempt()
    with_runtime("strange", {"url": 7})
    told["strange_runtime"] = attempt()
    os.environ["NEURAL_UPSCALE_RUNTIME"] = str(JOB / "started" / "runtime.json")
    told["no_server"] = attempt()
    record = JOB / "data/krita/pykrita/neural_upscale/install.json"
    recorded = record.read_text(encoding="utf-8")
    starter = ["/usr/bin/python3", str(JOB / "starter.py")]
    record.write_text(json.dumps({**json.loads(recorded), "command": starter}), encoding="utf-8")
    told["started"] = attempt(model="fixed", output="new")
    record.unlink()
    os.environ["NEURAL_UPSCALE_RUNTIME"] = str(JOB / "nowhere" / "runtime.json")
    krita.activeDocument().setModified(False)
    made = krita.activeDocument()
    if made != document:
        close(made)
    yield 0.5
    told["no_record"] = attempt()
    record.write_text(recorded, encoding="utf-8")
    told["same"] = pixels(node, 0, 0, 24, 16) == before and layers(document) == tree and document.width() == 40
    told["incomplete"] = yield from incomplete()
    told["started_log"] = (JOB / "started" / "server.log").read_text(encoding="utf-8")
    answer(**told)
    assert parameters() == {}
