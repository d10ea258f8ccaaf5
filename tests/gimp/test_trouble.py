"""What can go wrong, in real GIMP: each gets a sentence, and the image stays as it is."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.gimp.gate import CUT, gate
from tests.gimp.gimp_session import GimpSession
from tests.hosts.editor_host import EditorHost
from tests.hosts.model_server import ModelServer, serving

pytestmark = pytest.mark.gimp

TRY = """
image, layer = picture(40, 30, "RGBA")
before = structure(image)
{prepare}
{after_preparing}
status, made = upscale(image, {arguments})
answer("status", status)
answer("sentence", made if isinstance(made, str) else str(made))
answer("untouched", structure(image) == before)
"""


def attempt(gimp: GimpSession, prepare: str = "", arguments: str = "", **options: object) -> dict[str, object]:
    script = TRY.format(
        prepare=prepare, arguments=arguments, after_preparing="before = structure(image)" if prepare else ""
    )
    return gimp.run(script, **options)  # type: ignore[arg-type]


UNSUITABLE = {
    "an unknown model": ("", "model='nonsense'", "There is no model 'nonsense'; expected one of"),
    "a layer mask": (
        "layer.add_mask(layer.create_mask(Gimp.AddMaskType.WHITE))",
        "[layer.get_mask()]",
        "A layer mask, “Photo mask”, is selected; select one or more layers and try again.",
    ),
    "a channel": (
        "c = Gimp.Channel.new(image, 'C', 40, 30, 50, Gegl.Color.new('blue')); image.insert_channel(c, None, 0)",
        "[c]",
        "A channel, “C”, is selected",
    ),
    "no layer": ("", "[]", "No layer is selected"),
    "a selection beside the layer": (
        "layer.set_offsets(30, 0); image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 9, 9)",
        "",
        "The selection touches none of the selected layers",
    ),
    "an empty group": (
        "g = Gimp.GroupLayer.new(image, 'Folder'); image.insert_layer(g, None, 0); "
        "h = Gimp.GroupLayer.new(image, 'Inner'); image.insert_layer(h, g, 0)",
        "[g]",
        "The group “Folder” is empty; put a layer into it or select another one, and try again.",
    ),
    "a floating selection": (
        "image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 9, 9); Gimp.edit_copy([layer]); "
        "Gimp.edit_paste(layer, False)",
        "",
        "There is a floating selection; anchor it",
    ),
    "a size of another shape": ("", "width=80, height=80", "80×80 pixels are not ×1 to ×8 of 40×30 in its shape"),
    "a size out of reach": ("", "width=20", "width 20 is ×0.5 of 40×30 pixels; expected ×1 to ×8"),
    "detail of a model without": ("", "model='fixed-faithful', detail=0.7", "is a single file and takes no detail"),
}


@pytest.fixture(scope="module")
def refused(gimp: GimpSession) -> dict[str, object]:
    """All the unsuitable cases, in one start of GIMP: case → what was told."""
    script = ""
    for case, (prepare, arguments, _) in UNSUITABLE.items():
        one = TRY.format(prepare=prepare, arguments=arguments, after_preparing="before = structure(image)")
        for name in ("status", "sentence", "untouched"):
            one = one.replace(f'answer("{name}"', f'answer("{case}: {name}"')
        script += one
    return gimp.run(script)


@pytest.mark.parametrize("case", UNSUITABLE)
def test_what_cannot_be_enlarged_gets_a_sentence(refused: dict[str, object], case: str) -> None:
    assert refused[f"{case}: status"] == "execution-error"
    assert UNSUITABLE[case][2] in str(refused[f"{case}: sentence"])
    assert refused[f"{case}: untouched"]


FAULTS = """
import shutil
plug_in = Path("/job/gimp/plug-ins/neural-upscale")
record = json.loads((plug_in / "install.json").read_text())

def attempt(case):
    image, layer = picture(40, 30, "RGBA")
    before = structure(image)
    status, made = upscale(image)
    answer(case, {"status": status, "sentence": str(made), "untouched": structure(image) == before})

def server(name):
    shutil.copy(f"/job/{name}.json", "/job/runtime.json")
    Path("/job/runtime.json").chmod(0o600)

def command(*words):
    (plug_in / "install.json").write_text(json.dumps({**record, "command": words}))

server("wrong")
attempt("a wrong token")
server("cut")
attempt("a server that breaks off")
Path("/job/runtime.json").unlink()
command("/bin/sh", "-c", "echo no torch here; exit 3")
attempt("a server that ends at once")
command("/nowhere/neural-upscale", "serve")
attempt("a command that is not there")
server("cut")
parts = plug_in / "neural_upscale"
(parts / "client").rename(parts / "elsewhere")
attempt("missing files")
(parts / "elsewhere").rename(parts / "client")
(parts / "source.py").write_text((parts / "source.py").read_text() + "\\nlayers_among = None\\n")
attempt("an unforeseen fault")
"""
SENTENCES = {
    "a wrong token": ["token"],
    "a server that breaks off": ["log says why"],
    "a server that ends at once": ["ended with code 3", "/job/server.log", "no torch here"],
    "a command that is not there": ["'/nowhere/neural-upscale' cannot be run"],
    "missing files": ["run: neural-upscale install gimp"],
    "an unforeseen fault": ["TypeError", "/job/gimp-plugin.log has the details under log id "],
}


@pytest.fixture(scope="module")
def faulty(
    editor_host: EditorHost, model_server: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """All the faults in one start of GIMP: its folder, and case → what was told."""
    work = tmp_path_factory.mktemp("faulty")
    session = GimpSession.fresh(editor_host, work)
    (work / CUT).touch()
    with gate(model_server.url, work) as between:
        # Without a process id it is a server elsewhere; in the place of a local one the plug-in would start its own.
        for name, told in (
            ("wrong", {"url": model_server.url, "token": "0" * 32}),
            ("cut", {"url": between.url, "token": model_server.token, "pid": 0, "version": ""}),
        ):
            (work / f"{name}.json").write_text(json.dumps(told))
        return work, session.run(FAULTS)


@pytest.mark.parametrize("case", SENTENCES)
def test_what_goes_wrong_gets_a_sentence_and_leaves_the_image_untouched(
    faulty: tuple[Path, dict[str, Any]], case: str
) -> None:
    told = faulty[1][case]
    assert told["status"] == "execution-error"
    assert [part for part in SENTENCES[case] if part not in told["sentence"]] == [], told["sentence"]
    assert told["untouched"]


def test_an_unforeseen_fault_is_in_the_log_under_its_id(faulty: tuple[Path, dict[str, Any]]) -> None:
    work, told = faulty
    key = told["an unforeseen fault"]["sentence"].split("log id ")[1][:8]
    log = (work / "gimp-plugin.log").read_text()
    assert f"log id {key}" in log
    assert "Traceback" in log


def test_a_server_that_is_killed_in_mid_run_gets_a_sentence(gimp: GimpSession, tmp_path: Path) -> None:
    with serving(tmp_path) as doomed:
        (gimp.work / "doomed").mkdir()
        doomed.announce(gimp.work / "doomed")

        def kill_when_busy() -> None:
            while doomed.process.poll() is None:
                if doomed.get("/v1/status")["queue"]["requests"]:
                    time.sleep(0.5)
                    doomed.process.kill()
                    return
                time.sleep(0.1)

        threading.Thread(target=kill_when_busy, daemon=True).start()
        try:
            told = attempt(
                gimp, "image, layer = picture(900, 600, 'RGB')", "model='slow'",
                variables={"NEURAL_UPSCALE_RUNTIME": "/job/doomed/runtime.json"},
            )  # fmt: skip
        finally:
            doomed.process.kill()
    assert told["status"] == "execution-error"
    assert "server" in str(told["sentence"])
    assert told["untouched"]


def record_command(gimp: GimpSession, command: list[str]) -> None:
    path = gimp.work / "gimp" / "plug-ins" / "neural-upscale" / "install.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "command": command}))


def test_no_server_is_started_and_used(editor_host: EditorHost, tmp_path: Path, model_server: ModelServer) -> None:
    gimp = GimpSession.fresh(editor_host, tmp_path)
    record = json.loads((tmp_path / "gimp/plug-ins/neural-upscale/install.json").read_text())
    weights = model_server.log.with_name("weights")
    record_command(gimp, ["/usr/sbin/chroot", "/run/machine", *record["command"], "--weights", str(weights)])
    variables = {"NEURAL_UPSCALE_RUNTIME": str(tmp_path / "started.json"), "HOSTS_WHOLE": "yes"}
    told = attempt(gimp, variables=variables)
    assert told["status"] == "success", told["sentence"]
    assert (tmp_path / "server.log").exists()


def test_a_sandboxed_gimp_says_what_to_type(editor_host: EditorHost, tmp_path: Path) -> None:
    gimp = GimpSession.fresh(editor_host, tmp_path)
    record_command(gimp, ["/nowhere/neural-upscale", "serve"])
    variables = {"NEURAL_UPSCALE_RUNTIME": "/job/never.json", "FLATPAK_ID": "org.gimp.GIMP"}
    told = attempt(gimp, variables=variables)
    assert "type this in a terminal: /nowhere/neural-upscale serve" in str(told["sentence"])
