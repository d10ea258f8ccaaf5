"""While the server works, in real Krita: the window lives, the user may cancel, change, close; the server may die."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.hosts.model_server import ModelServer
from tests.krita.holding_proxy import holding_proxy
from tests.krita.krita_session import KritaSession

pytestmark = pytest.mark.krita
PARTS = ["cancel", "painted", "moved", "deleted", "untouched", "elsewhere", "dying", "closing"]


@pytest.fixture(scope="module")
def told(krita: KritaSession, model_server: ModelServer) -> dict[str, Any]:
    with holding_proxy(model_server, krita.work):
        answers = krita.run("events", wishes={"parts": PARTS})
    krita.keep_screenshots("krita-events")
    model_server.announce(krita.work)
    return answers


def test_window_lives_while_the_server_works(told: dict[str, Any]) -> None:
    found = told["cancel"]
    assert found["ticks"] > 0.5, "of the ticks of a 50 ms timer"
    assert not found["modal"]
    assert "%" in found["text"]
    assert found["bar"] > 0


def test_cancel_ends_the_run_and_leaves_the_document_as_it_was(told: dict[str, Any], model_server: ModelServer) -> None:
    found = told["cancel"]
    assert found["ended"]
    assert found["seconds"] < 3
    assert found["kind"] == "Cancelled"
    assert found["same"]
    assert found["panels"] == 0


def test_a_second_call_is_refused_with_a_sentence(told: dict[str, Any]) -> None:
    assert told["cancel"]["second"].startswith("AlreadyRunning: An upscale is already under way")


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
    assert found["notices"] == []
    assert found["undone"] == [700, True, 1]


def test_closing_the_document_cancels_and_writes_nothing(told: dict[str, Any]) -> None:
    found = told["closing"]
    assert found["ended"]
    assert "The document was closed" in found["error"]
    assert (found["panels"], found["documents"]) == (0, 0)


def test_a_server_that_dies_gives_a_sentence_and_an_untouched_document(told: dict[str, Any]) -> None:
    found = told["dying"]
    assert found["ended"]
    assert "Try again" in found["error"]
    assert found["boxes"] == [found["error"]]
    assert found["same"]


def wait_until_idle(server: ModelServer) -> None:
    for _ in range(100):
        queue = server.get("/v1/status")["queue"]
        if not queue["requests"]:
            return
        time.sleep(0.1)
    pytest.fail(f"still at work: {queue}")


def test_the_server_has_nothing_left_to_do_after_all_that(told: dict[str, Any], model_server: ModelServer) -> None:
    wait_until_idle(model_server)


@pytest.mark.parametrize("source", ["menu", "script"])
def test_closing_krita_ends_the_servers_work_and_krita_itself(
    source: str, krita: KritaSession, model_server: ModelServer
) -> None:
    with holding_proxy(model_server, krita.work):
        outcome = krita.start("quitting", wishes={"from": source})
        (krita.work / "hold").unlink()
    model_server.announce(krita.work)
    assert json.loads((krita.work / "answer.json").read_text())["running"]
    assert outcome.code == 0, outcome.errors[-1500:]
    wait_until_idle(model_server)
