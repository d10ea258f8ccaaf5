"""While the server works, in real Krita: the window lives, the user may cancel, change, close; the server may die."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
import requests

from tests.hosts.model_server import ModelServer
from tests.krita.holding_proxy import holding_proxy
from tests.krita.krita_session import KritaSession

pytestmark = pytest.mark.krita
PARTS = ["progress", "cancel", "painted", "moved", "deleted", "untouched", "elsewhere", "dying", "closing"]


@pytest.fixture(scope="module")
def told(krita: KritaSession, model_server: ModelServer) -> dict[str, Any]:
    with holding_proxy(model_server, krita.work):
        answers = krita.run("events", parameters={"parts": PARTS}).answers()
    krita.keep_screenshots("krita-events")
    model_server.announce(krita.work)
    return answers


def test_window_lives_while_the_server_works(told: dict[str, Any]) -> None:
    found = told["progress"]
    assert found["held"], "the timer ticked on while the server's answer was still awaited"
    assert not found["modal"]
    assert re.fullmatch(r"'layer': \d+ %, (\d+ min )?\d+ s left", found["text"])
    assert found["bar"] > 0


def test_cancel_ends_the_run_and_leaves_the_document_as_it_was(told: dict[str, Any]) -> None:
    found = told["cancel"]
    assert found["ended"]
    assert found["kind"] == "Cancelled"
    assert found["same"]
    assert found["panels"] == 0


@pytest.mark.parametrize("how", ["cancel", "closing"])
def test_cancel_and_closing_the_document_end_the_servers_work(how: str, told: dict[str, Any]) -> None:
    assert told[how]["worked"]
    assert told[how]["finished"] == 0, "pixels of requests that the server brought to their end"
    assert told[how]["held"], "the server became idle although nobody read its result"


def test_a_second_call_is_refused_with_a_sentence(told: dict[str, Any]) -> None:
    assert told["progress"]["second"].startswith("AlreadyRunning: An upscale is already under way")
    assert told["progress"]["dialog"] == [told["progress"]["second"].partition(": ")[2]]


@pytest.mark.parametrize("how", ["painted", "moved", "deleted"])
def test_a_layer_changed_meanwhile_gives_a_new_document(how: str, told: dict[str, Any]) -> None:
    found = told[how]
    assert found["ended"]
    assert found["error"] == "None"
    assert found["document"]
    assert any("The layer was changed while the server worked" in each for each in found["notices"])
    assert found["same"]
    assert found["undo_steps"] == 0
    assert (found["bounds"], found["size"]) == ([0, 0, 1400, 1000], [1400, 1000])


def test_changes_elsewhere_do_not_count(told: dict[str, Any]) -> None:
    assert not told["untouched"]["document"]
    assert told["untouched"]["notices"] == []


def test_a_result_for_a_document_in_the_background_is_placed_and_undone_there(told: dict[str, Any]) -> None:
    found = told["elsewhere"]
    assert found["ended"]
    assert found["away"]
    assert found["hidden"]
    assert found["still_away"], "the user's document stays in front"
    assert found["notices"] == []
    assert found["steps"] == 3, "Krita tells the steps of the document in front only, so they are not joined"
    assert found["undone"] == [700, True, 1]


def test_closing_the_document_cancels_and_writes_nothing(told: dict[str, Any]) -> None:
    found = told["closing"]
    assert found["ended"]
    assert "The document was closed" in found["error"]
    assert (found["panels"], found["documents"]) == (0, 0)


def test_a_server_that_dies_gives_a_sentence_and_an_untouched_document(told: dict[str, Any]) -> None:
    found = told["dying"]
    assert "Try again" in found["error"]
    assert found["boxes"] == [found["error"]]
    assert found["same"]


def pixels_enlarged(server: ModelServer) -> float:
    answer = requests.get(f"{server.url}/metrics", headers={"Authorization": f"Bearer {server.token}"}, timeout=30)
    lines = [line for line in answer.text.splitlines() if line.startswith("neural_upscale_pixels_total ")]
    return float(lines[0].split()[1])


@pytest.mark.parametrize("source", ["menu", "script"])
def test_closing_krita_ends_the_servers_work_and_krita_itself(
    source: str, krita: KritaSession, model_server: ModelServer
) -> None:
    with holding_proxy(model_server, krita.work):
        ended = krita.run("quitting", parameters={"from": source})
        (krita.work / "hold").unlink()
    model_server.announce(krita.work)
    assert ended.outcome.code == 0, ended.outcome.errors[-1500:]
    told = json.loads(ended.answer.read_text())
    assert told["worked"]
    while model_server.get("/v1/status")["queue"]["requests"]:  # a server that goes on runs into the test's time limit
        time.sleep(0.1)
    assert pixels_enlarged(model_server) == told["finished"]
