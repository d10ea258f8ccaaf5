"""Several selected layers in real Krita: one run, one undo, whatever the output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.hosts.model_server import ModelServer
from tests.krita.krita_session import KritaSession
from tests.krita.layer_pictures import answered, part, picture, saved

pytestmark = [pytest.mark.krita, pytest.mark.versions]

PLACES = {"below": (8, 6, 40, 30), "group": (20, 12, 40, 30), "above": (-10, -7, 40, 30)}
SELECTED = {"below": (12, 10, 16, 12), "group": (20, 12, 8, 10), "above": (12, 10, 16, 12)}
KEPT = "The paint layer 'empty' is empty"
PLACED = ["enlarge", "enlarge-hard", "layer", "new", "new-hard"]


@pytest.fixture(scope="module")
def told(krita: KritaSession, model_server: ModelServer) -> dict[str, Any]:
    model_server.announce(krita.work)
    (krita.work / "picture.bin").write_bytes(picture().tobytes())
    Image.fromarray(picture()[:, :, [2, 1, 0, 3]], "RGBA").save(krita.work / "picture.png")
    return krita.run("several").answers()


@pytest.mark.parametrize("key", ["enlarge", "enlarge-hard", "layer"])
def test_one_undo_takes_all_of_them_back_and_one_redo_brings_them_again(key: str, told: dict[str, Any]) -> None:
    assert (told[key]["undone"], told[key]["redone"], told[key]["undone_again"]) == (True, True, True)
    assert told[key]["sentences"][-1] == "Undo once to go back."


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize(("key", "scale"), [("enlarge", 2), ("layer", 1), ("new", 2)])
def test_each_layer_is_what_the_server_makes_of_it_in_its_place(
    key: str, scale: int, name: str, told: dict[str, Any], krita: KritaSession, model_server: ModelServer
) -> None:
    x, y, width, height = PLACES[name]
    low_res = part(saved(krita, f"several-{key}.{name}.before"), x, y, width, height)
    after = saved(krita, f"several-{key}.{name}.after")
    target = part(after, scale * x, scale * y, 2 * width, 2 * height)
    assert (target == answered(model_server, low_res)).all()
    assert told[key]["names"] == [each if key == "new" else f"{each} x2" for each in PLACES]


@pytest.mark.parametrize("key", PLACED)
def test_a_layer_without_a_picture_is_left_out_and_named(key: str, told: dict[str, Any]) -> None:
    sentences = told[key]["sentences"]
    assert [each for each in sentences if each.startswith(KEPT)] == sentences[:1]


def test_results_lie_above_their_hidden_originals(told: dict[str, Any]) -> None:
    tree = [(name, visible) for name, _, visible, *_ in told["enlarge"]["tree"]]
    hidden_then_new = [pair for name in PLACES for pair in ((name, False), (f"{name} x2", True))]
    assert tree == [*hidden_then_new[:4], ("empty", True), *hidden_then_new[4:]]


def test_with_a_selection_outside_of_it_all_are_as_krita_scales_them(told: dict[str, Any], krita: KritaSession) -> None:
    for name, (x, y, width, height) in SELECTED.items():
        marked, plain = (saved(krita, f"several-{key}.{name}.after").copy() for key in ("enlarge-hard", "enlarge"))
        for each in (marked, plain):
            part(each, 2 * x, 2 * y, 2 * width, 2 * height)[:] = 0
        seen = plain[:, :, 3] > 0
        assert 0 < abs(marked.astype(int) - plain.astype(int))[seen].mean() < 20, "Krita's own scaling, not the network"
    assert told["new-hard"]["canvas"] == [32, 24]


@pytest.mark.parametrize("key", PLACED)
def test_progress_counts_all_layers(key: str, told: dict[str, Any]) -> None:
    progress = np.array(told[key]["progress"])
    assert (np.diff(progress[:, 0]) > 0).all()
    assert len(set(progress[:, 1])) == 1
    assert progress[-1, 0] == progress[-1, 1]
    if "hard" not in key:
        assert progress[-1, 1] == sum(4 * 4 * width * height for *_, width, height in PLACES.values())


def test_cancel_between_two_layers_leaves_the_document_as_it_was(told: dict[str, Any]) -> None:
    assert told["cancelled"] == {"kind": "Cancelled", "same": True, "undo": True}


def test_one_changed_layer_makes_a_new_document_of_all(told: dict[str, Any]) -> None:
    assert told["changed"] == {"names": list(PLACES), "same": True}


def test_a_script_gets_a_list(told: dict[str, Any]) -> None:
    assert told["scripted"] == [f"{each} x2" for each in PLACES]


def test_the_dialog_tells_how_many_they_are(told: dict[str, Any]) -> None:
    estimate, *size = told["asked"]
    assert estimate.startswith("3 layers: about ")
    assert size == [240, 180], "of the document"
