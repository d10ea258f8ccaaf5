"""What can go wrong, in real GIMP: each gets a sentence, and the image stays as it is."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

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
    "a floating selection": (
        "image.select_rectangle(Gimp.ChannelOps.REPLACE, 0, 0, 9, 9); Gimp.edit_copy([layer]); "
        "Gimp.edit_paste(layer, False)",
        "",
        "There is a floating selection; anchor it",
    ),
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


def test_a_wrong_token_is_the_servers_sentence(gimp: GimpSession, model_server: ModelServer) -> None:
    path = gimp.work / "wrong.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"url": model_server.url, "token": "0" * 32, "pid": 0, "version": ""}))
    told = attempt(gimp, variables={"NEURAL_UPSCALE_RUNTIME": "/job/wrong.json"})
    assert told["status"] == "execution-error"
    assert "token" in str(told["sentence"])
    assert told["untouched"]


def test_a_server_that_dies_in_mid_run_gets_a_sentence(gimp: GimpSession, model_server: ModelServer) -> None:
    path = gimp.work / "cut.json"
    path.touch(mode=0o600)
    (gimp.work / CUT).touch()
    try:
        with gate(model_server.url, gimp.work) as between:
            path.write_text(json.dumps({"url": between.url, "token": model_server.token, "pid": 0, "version": ""}))
            told = attempt(gimp, variables={"NEURAL_UPSCALE_RUNTIME": "/job/cut.json"})
    finally:
        (gimp.work / CUT).unlink()
    assert told["status"] == "execution-error"
    assert "log says why" in str(told["sentence"])
    assert told["untouched"]


def test_a_server_that_is_killed_in_mid_run_gets_a_sentence(gimp: GimpSession, tmp_path: Path) -> None:
    with serving(tmp_path) as doomed:
        path = gimp.work / "doomed.json"
        doomed.announce(gimp.work).rename(path)

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
                variables={"NEURAL_UPSCALE_RUNTIME": "/job/doomed.json"},
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


def test_a_server_that_cannot_start_gets_a_sentence_with_its_log(editor_host: EditorHost, tmp_path: Path) -> None:
    gimp = GimpSession.fresh(editor_host, tmp_path)
    variables = {"NEURAL_UPSCALE_RUNTIME": "/job/never.json"}
    record_command(gimp, ["/bin/sh", "-c", "echo no torch here; exit 3"])
    told = attempt(gimp, variables=variables)
    assert told["status"] == "execution-error"
    assert "ended with code 3" in str(told["sentence"])
    assert "/job/server.log" in str(told["sentence"])
    assert "no torch here" in str(told["sentence"])
    record_command(gimp, ["/nowhere/neural-upscale", "serve"])
    told = attempt(gimp, variables=variables)
    assert "'/nowhere/neural-upscale' cannot be run" in str(told["sentence"])
    sandboxed = attempt(gimp, variables={**variables, "FLATPAK_ID": "org.gimp.GIMP"})
    assert "type this in a terminal: /nowhere/neural-upscale serve" in str(sandboxed["sentence"])


def test_missing_files_of_the_plug_in_get_a_sentence(editor_host: EditorHost, tmp_path: Path) -> None:
    gimp = GimpSession.fresh(editor_host, tmp_path)
    (tmp_path / "gimp/plug-ins/neural-upscale/neural_upscale/client.py").unlink()
    told = attempt(gimp)
    assert told["status"] == "execution-error"
    assert "run: neural-upscale install gimp" in str(told["sentence"])


def test_an_unforeseen_fault_is_told_with_its_place_in_the_log(editor_host: EditorHost, tmp_path: Path) -> None:
    gimp = GimpSession.fresh(editor_host, tmp_path)
    run = tmp_path / "gimp/plug-ins/neural-upscale/neural_upscale/sources.py"
    run.write_text(run.read_text().replace("def layers_among(", "def layers_among_(") + "\nlayers_among = None\n")
    told = attempt(gimp)
    assert told["status"] == "execution-error"
    sentence = str(told["sentence"])
    assert "TypeError" in sentence
    assert "/job/gimp-plugin.log has the details under log id " in sentence
    key = sentence.split("log id ")[1][:8]
    log = (tmp_path / "gimp-plugin.log").read_text()
    assert f"log id {key}" in log
    assert "Traceback" in log
