"""Every kind of layer, output and selection in real Krita: what is made, where it lies, and how it is undone."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.hosts.model_server import ModelServer
from tests.krita.krita_session import KritaSession

pytestmark = [pytest.mark.krita, pytest.mark.versions]

SEEN = 320, 240, -20, -20  # width, height and corner of what the script saves of a layer
ENLARGED = [
    "group", "vector", "file", "clone", "fill", "masked", "nested", "hidden", "beyond", "ground", "animated", "guided"
]  # fmt: skip
OTHERS = ["layer-paint", "layer-masked", "layer-group", "layer-animated", "new-paint", "new-beyond"]
PLAIN = [*(f"enlarge-{kind}" for kind in ENLARGED), *OTHERS]
SELECTED = ["enlarge-hard", "enlarge-soft", "layer-hard", "new-hard", "new-soft"]

Picture = npt.NDArray[np.uint8]


def picture() -> Picture:
    """40×30 BGRA with structure in every channel and a hole."""
    rows, columns = np.mgrid[0:30, 0:40]
    made = np.stack([127 + 120 * np.sin(rows / (2 + each) + columns / (4 - each)) for each in range(3)], axis=2)
    alpha = np.full((30, 40, 1), 255.0)
    alpha[12:18, 20:28] = 0
    alpha[18:22, 20:28] = 100
    return np.concatenate([made, alpha], axis=2).astype(np.uint8)


@pytest.fixture(scope="module")
def told(krita: KritaSession) -> dict[str, Any]:
    (krita.work / "picture.bin").write_bytes(picture().tobytes())
    Image.fromarray(picture()[:, :, [2, 1, 0, 3]], "RGBA").save(krita.work / "picture.png")
    return krita.run("kinds", parameters={"scenarios": [*PLAIN, *SELECTED]}).answers()


def saved(krita: KritaSession, name: str) -> Picture:
    width, height, *_ = SEEN
    return np.frombuffer((krita.work / name).read_bytes(), np.uint8).reshape(height, width, 4)


def part(seen: Picture, x: int, y: int, width: int, height: int) -> Picture:
    return seen[y + 20 : y + 20 + height, x + 20 : x + 20 + width]


def answered(server: ModelServer, low_res: Picture) -> Picture:
    height, width, _ = low_res.shape
    answer = server.upscale(np.ascontiguousarray(low_res).tobytes(), width, height, "BGRA", "u8", model="fixed")
    return np.frombuffer(answer, np.uint8).reshape(2 * height, 2 * width, 4)


@pytest.mark.parametrize("key", [*PLAIN, *SELECTED])
def test_as_many_undos_as_the_notice_says_bring_the_document_back(key: str, told: dict[str, Any]) -> None:
    assert "fault" not in told[key], told[key]["fault"]
    assert told[key]["undone"] == [True, True, True, True]
    steps = {"enlarge": 3, "layer": 2, "new": 0}[key.partition("-")[0]]
    steps = {"layer-hard": 1, "enlarge-hidden": 2, "enlarge-group": 4, "layer-group": 3}.get(key, steps)
    assert told[key]["undo_steps"] == steps
    expected = {0: (), 1: ("Undo once to go back.",)}.get(steps, (f"Undo {steps} times to go back.",))
    assert tuple(each for each in told[key]["sentences"] if each.startswith("Undo")) == expected


@pytest.mark.parametrize("key", PLAIN)
def test_layer_is_what_the_server_makes_of_its_pixels_in_twice_its_place(
    key: str, told: dict[str, Any], krita: KritaSession, model_server: ModelServer
) -> None:
    found = told[key]
    x, y, width, height = found["bounds_before"]
    expected = (x, y, 2 * width, 2 * height) if key.startswith("layer") else (2 * x, 2 * y, 2 * width, 2 * height)
    assert tuple(found["bounds"]) == expected
    assert found["canvas"] == ([80, 60] if key.startswith("layer") else [160, 120])
    low_res = part(saved(krita, f"{key}.projection"), x, y, width, height) if "masked" not in key else picture()
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


def test_hidden_layer_stays_hidden(told: dict[str, Any]) -> None:
    assert [each[2] for each in told["enlarge-hidden"]["tree"]] == [False, False]


def test_new_document_places_the_layer_as_the_old_one_did(told: dict[str, Any]) -> None:
    assert told["new-paint"]["bounds"] == [16, 12, 80, 60]
    assert told["new-beyond"]["bounds"][:2] == [-20, -14]


def enlarged_selection(kind: str) -> tuple[tuple[int, int, int, int], npt.NDArray[np.float64]]:
    """The selection's part of the layer, and its mask there."""
    if kind == "hard":
        return (12, 10, 16, 12), np.ones((12, 16))
    mask = np.array([[min(255, 9 * (row % 17) + 4 * column) for column in range(36)] for row in range(26)]) / 255
    return (20, 16, 28, 20), mask[:20, :28]


def patch(server: ModelServer, place: tuple[int, int, int, int]) -> Picture:
    """The server's patch: the layer is smaller than the context, so that all of it is sent."""
    x, y, width, height = place
    whole = answered(server, picture())
    return whole[2 * (y - 6) : 2 * (y - 6 + height), 2 * (x - 8) : 2 * (x - 8 + width)]


def test_hard_selection_is_neural_inside_and_the_editors_outside(
    told: dict[str, Any], krita: KritaSession, model_server: ModelServer
) -> None:
    place, _ = enlarged_selection("hard")
    after, scaled = saved(krita, "enlarge-hard.after").copy(), saved(krita, "enlarge-hard.scaled").copy()
    target = tuple(2 * each for each in place)
    inside = (slice(4, -4), slice(4, -4))  # Krita's filter softens the border of the mask
    assert (part(after, *target)[inside] == patch(model_server, place)[inside]).all()
    part(after, *target)[:] = 0
    part(scaled, *target)[:] = 0
    visible = after[:, :, 3] > 0
    assert (after[visible] == scaled[visible]).all()


def test_soft_selection_blends_by_alpha(told: dict[str, Any], krita: KritaSession, model_server: ModelServer) -> None:
    place, mask = enlarged_selection("soft")
    target = tuple(2 * each for each in place)
    after = part(saved(krita, "enlarge-soft.after"), *target).astype(float)
    low = part(saved(krita, "enlarge-soft.scaled"), *target).astype(float)
    high = patch(model_server, place).astype(float)
    share = mask.repeat(2, axis=0).repeat(2, axis=1)[:, :, None]  # nearest, so near the mask's steps it is only near
    alpha = low[:, :, 3:] * (1 - share) + high[:, :, 3:] * share
    with np.errstate(invalid="ignore"):
        colour = (low * low[:, :, 3:] * (1 - share) + high * high[:, :, 3:] * share) / alpha
    seen = alpha[:, :, 0] > 128
    assert abs(after[:, :, 3:] - alpha).mean() < 2
    assert abs(after - colour)[seen][:, :3].mean() < 2


@pytest.mark.parametrize("key", ["layer-hard", "new-hard"])
def test_selection_alone_gives_the_patch(
    key: str, told: dict[str, Any], krita: KritaSession, model_server: ModelServer
) -> None:
    place, _ = enlarged_selection("hard")
    x, y = (place[0], place[1]) if key == "layer-hard" else (0, 0)
    assert told[key]["bounds"] == [x, y, 32, 24]
    assert (part(saved(krita, f"{key}.after"), x, y, 32, 24) == patch(model_server, place)).all()
    assert told[key]["canvas"] == ([80, 60] if key == "layer-hard" else [32, 24])


def test_new_document_of_a_soft_selection_has_the_mask_as_alpha(
    told: dict[str, Any], krita: KritaSession, model_server: ModelServer
) -> None:
    place, mask = enlarged_selection("soft")
    assert told["new-soft"]["canvas"] == [56, 40]
    after = part(saved(krita, "new-soft.after"), 0, 0, 56, 40).astype(float)
    expected = patch(model_server, place).astype(float)
    share = mask.repeat(2, axis=0).repeat(2, axis=1)
    assert abs(after[:, :, 3] - expected[:, :, 3] * share).mean() < 5  # nearest against cubic
    full = share > 0.99
    assert (after[full][:, 3] >= expected[full][:, 3] - 4).all()
