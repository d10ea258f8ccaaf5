"""Sizes other than ×2 in real Krita: every kind of layer, output and selection at ×3, what is not whole at ×2.5."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.hosts.model_server import ModelServer
from tests.krita.krita_session import KritaSession
from tests.krita.layer_pictures import answered, part, play, saved

pytestmark = pytest.mark.krita

KINDS = ["paint", "masked", "group", "vector", "file", "clone", "fill"]
SELECTIONS = {"hard": (12, 10, 16, 12), "soft": (20, 16, 36, 26), "outside": (30, 20, 90, 70)}
WHOLE = [
    *(f"enlarge-{kind}@3" for kind in [*KINDS, "beyond", "pixel"]), "layer-masked@3", "layer-group@3", "layer-pixel@3",
    "new-paint@3", "new-pixel@3", "enlarge-masked@2.5", "enlarge-pixel@2.5", "layer-masked@2.5", "new-beyond@2.5",
    "enlarge-styled@3", "layer-styled@2.5", "new-styled@3", "enlarge-guided@2.5",
]  # fmt: skip
BLENDED = [
    *(f"enlarge-{kind}-soft@3" for kind in KINDS), "enlarge-paint-hard@3", "enlarge-group-outside@3",
    "enlarge-paint-soft@2.5", "enlarge-group-soft@2.5", "enlarge-paint-outside@2.5",
]  # fmt: skip
PATCHES = ["layer-paint-hard@3", "layer-paint-hard@2.5", "new-paint-hard@3", "new-group-hard@2.5"]

Place = tuple[int, int, int, int]


@pytest.fixture(scope="module")
def told(krita: KritaSession, model_server: ModelServer) -> dict[str, Any]:
    model_server.announce(krita.work)
    return play(krita, [*WHOLE, *BLENDED, *PATCHES])


def factor_of(key: str) -> float:
    return float(key.partition("@")[2])


def enlarged(place: Place, factor: float) -> Place:
    """A place of the document in the enlarged one, corners rounded to pixels."""
    x, y, width, height = place
    left, top, right, bottom = (math.floor(each * factor + 0.5) for each in (x, y, x + width, y + height))
    return left, top, right - left, bottom - top


def from_corner(place: Place, factor: float) -> Place:
    """The same about the place's own corner."""
    x, y, width, height = place
    return x, y, math.floor(width * factor + 0.5), math.floor(height * factor + 0.5)


def wanted(key: str, told: dict[str, Any]) -> Place:
    """The selection's part of the layer."""
    x, y, width, height = told[key]["bounds_before"]
    left, top, across, down = SELECTIONS[key.partition("@")[0].rpartition("-")[2]]
    first = max(x, left), max(y, top)
    return (*first, min(x + width, left + across) - first[0], min(y + height, top + down) - first[1])


@pytest.mark.parametrize("key", WHOLE)
def test_layer_is_what_the_server_makes_of_its_pixels_in_its_enlarged_place(
    key: str, told: dict[str, Any], krita: KritaSession, model_server: ModelServer
) -> None:
    assert "fault" not in told[key], told[key]["fault"]
    found, factor = told[key], factor_of(key)
    before = found["bounds_before"]
    grow = from_corner if key.startswith("layer") else enlarged
    place = grow(before, factor)
    assert found["bounds"] == list(place)
    assert found["canvas"] == ([80, 60] if key.startswith("layer") else [80 * factor, 60 * factor])
    low_res = part(saved(krita, f"{key}.projection"), *before)
    after = part(saved(krita, f"{key}.after"), *place)
    if "vector" not in key and not key.startswith("new"):
        assert found["name"].endswith(f" x{factor:g}")
    assert (after == answered(model_server, low_res, place[2:])).all()


@pytest.mark.parametrize("key", BLENDED)
def test_outside_of_the_selection_the_layer_is_as_krita_alone_scales_it(
    key: str, told: dict[str, Any], krita: KritaSession
) -> None:
    assert "fault" not in told[key], told[key]["fault"]
    after, scaled = (saved(krita, f"{key}.{which}").copy() for which in ("after", "scaled"))
    target = enlarged(wanted(key, told), factor_of(key))
    changed = abs(part(after, *target).astype(int) - part(scaled, *target).astype(int)).max()
    if not {"vector", "fill"} & set(key.split("-")):  # those are of one colour
        assert changed > 20, "the network's pixels are inside"
    part(after, *target)[:] = 0
    part(scaled, *target)[:] = 0
    assert (after[:, :, 3] == scaled[:, :, 3]).all()
    visible = scaled[:, :, 3] > 0
    assert visible.any()
    assert (after[visible] == scaled[visible]).all()


@pytest.mark.parametrize("key", [key for key in BLENDED if "soft" in key])
def test_where_the_mask_is_empty_the_layer_is_as_krita_alone_scales_it(
    key: str, told: dict[str, Any], krita: KritaSession
) -> None:
    x, y, *_ = enlarged(wanted(key, told), factor_of(key))
    after, scaled = (part(saved(krita, f"{key}.{which}"), x, y, 1, 1) for which in ("after", "scaled"))
    assert (after == scaled).all(), "the corner, where the mask is 0"


@pytest.mark.parametrize("key", [key for key in BLENDED if "soft" in key])
def test_selection_follows_the_factor(key: str, told: dict[str, Any]) -> None:
    grown = [each * factor_of(key) for each in SELECTIONS["soft"]]
    assert told[key]["selection"] == pytest.approx(grown, abs=4)


@pytest.mark.parametrize("key", PATCHES)
def test_the_patch_alone_is_what_the_server_made_of_the_selection(
    key: str, told: dict[str, Any], krita: KritaSession, model_server: ModelServer
) -> None:
    assert "fault" not in told[key], told[key]["fault"]
    place, bounds = wanted(key, told), told[key]["bounds_before"]
    x, y, width, height = from_corner(place, factor_of(key))
    is_layer = key.startswith("layer")
    after = part(saved(krita, f"{key}.after"), *((x, y) if is_layer else (0, 0)), width, height)
    low_res = part(saved(krita, f"{key}.projection"), *bounds)
    left, top, *_ = (round((inner - outer) * factor_of(key)) for inner, outer in zip(place, bounds, strict=True))
    size = enlarged((0, 0, *bounds[2:]), factor_of(key))[2:]
    expected = answered(model_server, low_res, size)[top : top + height, left : left + width]
    assert (after == expected).all()
    assert told[key]["canvas"] == ([80, 60] if is_layer else [width, height])


@pytest.mark.parametrize("key", ["enlarge-masked@3", "enlarge-masked@2.5", "layer-masked@3", "layer-masked@2.5"])
def test_masks_follow_the_factor(key: str, told: dict[str, Any], krita: KritaSession) -> None:
    factor = factor_of(key)
    width, height = int(80 * factor), int(60 * factor)
    mask = np.frombuffer((krita.work / f"{key}.mask").read_bytes(), np.uint8).reshape(height, width).astype(float)
    x, y = (8, 6) if key.startswith("layer") else (0, 0)  # the corner that stays where it is
    before = told[key]["bounds_before"]
    left, top, across, down = told[key]["bounds"]
    columns, rows = (np.arange(left, left + across) + 0.5 - x) / factor + x, (np.arange(top, top + down) + 0.5 - y)
    rows = rows / factor + y
    inside = np.floor(rows[:, None]).clip(0, 59), np.floor(columns[None, :]).clip(0, 79)
    expected = np.minimum(255, 9 * (inside[0] % 17) + 4 * inside[1])
    found = mask[top : top + down, left : left + across]
    room = min(found.shape[0], expected.shape[0]), min(found.shape[1], expected.shape[1])
    assert before
    assert abs(found[: room[0], : room[1]] - expected[: room[0], : room[1]]).mean() < 6


@pytest.mark.parametrize("key", ["enlarge-styled@3", "layer-styled@2.5", "new-styled@3"])
def test_lengths_of_the_layer_style_follow_the_factor(key: str, told: dict[str, Any]) -> None:
    factor = factor_of(key)
    found = told[key]["lengths"]
    assert (found["Dstn"], found["blur"], found["Ckmt"]) == (6 * factor, 10 * factor, 30)


def test_guides_follow_the_factor(told: dict[str, Any]) -> None:
    assert told["enlarge-guided@2.5"]["guides"] == [[[25.0], [50.0, 175.0]], True]
