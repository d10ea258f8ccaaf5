"""Every kind of layer, output and selection in real Krita: what is made, where it lies, and how it is undone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.hosts.model_server import ModelServer
from tests.krita.krita_session import KritaSession
from tests.krita.layer_pictures import answered, check_undo, part, picture, play, saved

pytestmark = [pytest.mark.krita, pytest.mark.versions]

ENLARGED = [
    "group", "vector", "file", "clone", "fill", "masked", "nested", "hidden", "beyond", "ground", "animated", "guided",
    "styled",
]  # fmt: skip
OTHERS = ["layer-paint", "layer-styled", "layer-masked", "layer-group", "layer-animated", "new-paint", "new-beyond"]
PLAIN = [*(f"enlarge-{kind}" for kind in ENLARGED), *OTHERS]


@pytest.fixture(scope="module")
def told(krita: KritaSession) -> dict[str, Any]:
    return play(krita, PLAIN)


@pytest.mark.parametrize("key", PLAIN)
def test_one_undo_brings_the_document_back(key: str, told: dict[str, Any]) -> None:
    check_undo(key, told[key])


@pytest.mark.parametrize("key", PLAIN)
def test_layer_is_what_the_server_makes_of_its_pixels_in_twice_its_place(
    key: str, told: dict[str, Any], krita: KritaSession, model_server: ModelServer
) -> None:
    found = told[key]
    x, y, width, height = found["bounds_before"]
    expected = (x, y, 2 * width, 2 * height) if key.startswith("layer") else (2 * x, 2 * y, 2 * width, 2 * height)
    assert tuple(found["bounds"]) == expected
    assert found["canvas"] == ([80, 60] if key.startswith("layer") else [160, 120])
    low_res = part(saved(krita, f"{key}.projection"), x, y, width, height)
    after = saved(krita, f"{key}.after")
    if key == "enlarge-ground":
        assert low_res[:, :, 3].min() == 255
    assert (part(after, *expected) == answered(model_server, low_res)).all()
    outside = after.copy()
    part(outside, *expected)[:] = 0
    assert key in ("enlarge-ground", "enlarge-fill") or not outside[:, :, 3].any()


@pytest.mark.parametrize("kind", ["group", "vector", "file", "clone", "fill"])
def test_layers_without_pixels_become_a_paint_layer_with_a_notice(kind: str, told: dict[str, Any]) -> None:
    found = told[f"enlarge-{kind}"]
    assert any("the result is a paint layer of what it shows" in each for each in found["notices"])
    assert [found["tree"][-1][0], found["tree"][-1][1:3]] == [f"{kind} x2", ["paintlayer", True]]
    assert found["tree"][-2][2] is False
    if kind == "group":
        assert (found["opacity"], found["blending"]) == (200, "multiply")


def test_fill_layer_is_taken_as_it_shows_over_the_canvas(told: dict[str, Any], krita: KritaSession) -> None:
    assert told["enlarge-fill"]["bounds_before"] == [0, 0, 80, 60]
    colours = part(saved(krita, "enlarge-fill.projection"), 0, 0, 80, 60)
    assert abs(colours.astype(int) - [230, 26, 128, 255]).max() <= 1


@pytest.mark.parametrize("key", ["enlarge-animated", "layer-animated"])
def test_animated_layer_gives_its_current_frame_and_says_so(
    key: str, told: dict[str, Any], krita: KritaSession
) -> None:
    assert told[key]["animated"]
    assert any("only the current frame" in each for each in told[key]["notices"])
    doubled = key.startswith("enlarge")
    other = part(saved(krita, f"{key}.other"), *((16, 12, 80, 60) if doubled else (8, 6, 40, 30))).astype(float)
    if doubled:
        other = other.reshape(30, 2, 40, 2, 4).mean(axis=(1, 3))
    expected = picture()[::-1, ::-1, ::-1].astype(float)
    seen = expected[:, :, 3] > 0
    assert abs(other - expected)[seen].mean() < (8 if doubled else 0.1), "the other frame is Krita's own"


def test_hidden_guides_follow_by_being_shown_and_the_notice_says_so(told: dict[str, Any]) -> None:
    found = told["enlarge-guided"]
    assert found["guides_before"] == [[[10.0], [20.0, 70.0]], False]
    assert found["guides"] == [[[20.0], [40.0, 140.0]], True]
    assert any("the hidden guides were shown" in each for each in found["notices"])


def test_masks_follow_when_the_document_is_enlarged(told: dict[str, Any], krita: KritaSession) -> None:
    mask = np.frombuffer((krita.work / "enlarge-masked.mask").read_bytes(), np.uint8).reshape(120, 160).astype(float)
    original = np.array([[min(255, 9 * (row % 17) + 4 * column) for column in range(80)] for row in range(60)])
    assert abs(mask.reshape(60, 2, 80, 2).mean(axis=(1, 3)) - original).mean() < 3


def test_masks_are_doubled_about_the_corner_of_the_layer(told: dict[str, Any], krita: KritaSession) -> None:
    mask = np.frombuffer((krita.work / "layer-masked.mask").read_bytes(), np.uint8).reshape(120, 160).astype(float)
    original = np.array([[min(255, 9 * (row % 17) + 4 * column) for column in range(8, 48)] for row in range(6, 36)])
    doubled = mask[6 : 6 + 60, 8 : 8 + 80].reshape(30, 2, 40, 2).mean(axis=(1, 3))
    assert abs(doubled - original).mean() < 3


def test_result_lies_in_the_group_of_its_original(told: dict[str, Any]) -> None:
    assert told["enlarge-nested"]["parent"] == "group"


def test_hidden_layer_stays_hidden_and_the_notice_says_so(told: dict[str, Any]) -> None:
    assert any("The layer is hidden, and so is the result" in each for each in told["enlarge-hidden"]["notices"])
    assert [each[2] for each in told["enlarge-hidden"]["tree"]] == [False, False]


def test_new_document_places_the_layer_as_the_old_one_did(told: dict[str, Any]) -> None:
    assert told["new-paint"]["bounds"] == [16, 12, 80, 60]
    assert told["new-beyond"]["bounds"][:2] == [-20, -14]
