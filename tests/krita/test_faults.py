"""Bad input and bad servers in real Krita: one sentence each, and an untouched document."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.hosts.model_server import ModelServer
from tests.krita.krita_session import KritaSession

pytestmark = pytest.mark.krita

# Stands for `neural-upscale serve` where there is no torch: announces the server that runs outside.
STARTER = """import os, pathlib, time
print("starting", sorted(name for name in os.environ if name.startswith(("PYTHON", "QT_", "LD_LIBRARY"))), flush=True)
time.sleep(1.5)
path = pathlib.Path(os.environ["NEURAL_UPSCALE_RUNTIME"])
part = path.with_suffix(".part")  # as the real server does it: nobody may read half a file
part.touch(mode=0o600)
part.write_text(pathlib.Path("/job/runtime.json").read_text())
part.replace(path)
time.sleep(60)
"""

SENTENCES = {
    "no_document": ("NothingToUpscale", "No document is open"),
    "empty": ("NothingToUpscale", "The paint layer 'empty' is empty"),
    "filtered": ("NothingToUpscale", "'blurred' is a filter layer, which has no picture of its own"),
    "unknown_model": ("ServerFailed", "no-such-model"),
    "detail": ("WrongOption", "detail=1.5 (expected a number from 0 to 1, or None) and output='bigger'"),
    "size": ("WrongOption", "width 20 is ×0.5 of 40×30 pixels; expected ×1 to ×8"),
    "detail_of_single": ("ServerFailed", "fixed-faithful"),
    "selection_elsewhere": ("NothingToUpscale", "The selection holds no pixel of the layer 'layer'"),
    "stranger": ("ServerFailed", "cannot be run"),  # what has taken an ended server's port is none: start one
    "wrong_token": ("ServerFailed", "does not know the token"),
    "dead_server": ("ServerFailed", "cannot be run"),
    "strange_runtime": ("ServerFailed", "holds no url"),
    "no_server": ("ServerFailed", "Install the plug-in again"),
    "no_record": ("ServerFailed", "neural-upscale serve"),
}


@pytest.fixture(scope="module")
def told(krita: KritaSession, model_server: ModelServer) -> dict[str, Any]:
    model_server.announce(krita.work)
    (krita.work / "starter.py").write_text(STARTER)
    return krita.run("faults").answers()


@pytest.mark.parametrize("what", SENTENCES)
def test_fault_gives_one_sentence(what: str, told: dict[str, Any]) -> None:
    kind, part = SENTENCES[what]
    assert told[what][0] == kind, told[what]
    assert part in told[what][1]
    assert "unexpected" not in told[what][1]
    assert "\n" not in told[what][1]


def test_for_an_active_mask_its_layer_is_taken(told: dict[str, Any]) -> None:
    assert told["mask_active"] == "veil"
    assert told["mask"] == "layer"


def test_nothing_was_changed_by_any_of_them(told: dict[str, Any]) -> None:
    assert told["same"]


def test_menu_entries_without_a_document_say_so(told: dict[str, Any]) -> None:
    for action in ("neural_upscale_x2", "neural_upscale_x2_repeat"):
        assert len(told[f"box_{action}"]) == 1
        assert told[f"box_{action}"][0].startswith("No document is open")


def test_a_missing_server_is_started_with_the_recorded_command_and_a_clean_environment(told: dict[str, Any]) -> None:
    assert told["started"][0] == "nothing", told["started"]
    assert "starting []" in told["started_log"]


def test_faults_of_the_server_name_its_log(told: dict[str, Any]) -> None:
    assert json.dumps(told["dead_server"]).count("server.log") == 1


def test_a_plugin_with_a_missing_file_says_what_to_run(told: dict[str, Any]) -> None:
    found = told["incomplete"]
    assert found["names"] == ["neural_upscale_x2", "neural_upscale_x2_repeat"]
    assert found["told"] == [found["told"][0]] * 3
    assert found["told"][0] == (
        "Neural Upscale is not completely installed (client is missing or damaged); "
        "install the plug-in again: neural-upscale install krita"
    )
    assert found["told"][0] in told["printed"], "what help() prints"
