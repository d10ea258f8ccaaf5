"""With a selection, in real Krita: the network's pixels inside, outside what Krita's own scaling makes, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.hosts.model_server import ModelServer
from tests.krita.krita_session import KritaSession
from tests.krita.layer_pictures import Picture, answered, check_undo, part, play, saved

pytestmark = [pytest.mark.krita, pytest.mark.versions]

KINDS = ["paint", "masked", "group", "vector", "file", "clone", "fill"]
CANVAS = 80, 60
SELECTIONS = {"hard": (12, 10, 16, 12), "soft": (20, 16, 36, 26), "outside": (30, 20, 90, 70)}
INSIDE = (slice(4, -4), slice(4, -4))  # Krita's filter softens the border of the mask
COMBINED = [f"{kind}-{selection}" for kind in KINDS for selection in SELECTIONS]
PATCHES = [f"{output}-{kind}-hard" for output in ("layer", "new") for kind in ("paint", "masked", "group", "vector")]
ALL = [*(f"enlarge-{each}" for each in COMBINED), *PATCHES, "new-paint-soft"]

Place = tuple[int, int, int, int]


@pytest.fixture(scope="module")
def told(krita: KritaSession) -> dict[str, Any]:
    return play(krita, ALL)


def wanted(key: str, told: dict[str, Any]) -> Place:
    """The selection's part of the layer."""
    x, y, width, height = told[key]["bounds_before"]
    left, top, across, down = SELECTIONS[key.rpartition("-")[2]]
    first = max(x, left), max(y, top)
    last = min(x + width, left + across), min(y + height, top + down)
    return (*first, last[0] - first[0], last[1] - first[1])


def twice(place: Place) -> Place:
    x, y, width, height = place
    return 2 * x, 2 * y, 2 * width, 2 * height


def soft_mask() -> npt.NDArray[np.float64]:
    """The soft selection of the painted layer, enlarged: nearest, so near its steps it is only near."""
    low = np.array([[min(255, 9 * (row % 17) + 4 * column) for column in range(36)] for row in range(26)]) / 255
    return low[:20, :28].repeat(2, axis=0).repeat(2, axis=1)


def patch(key: str, told: dict[str, Any], krita: KritaSession, server: ModelServer) -> Picture:
    """What the server makes of the selected part; the layers are smaller than the context, so all of them is sent."""
    bounds = told[key]["bounds_before"]
    x, y, width, height = wanted(key, told)
    whole = answered(server, part(saved(krita, f"{key}.projection"), *bounds))
    left, top = 2 * (x - bounds[0]), 2 * (y - bounds[1])
    return whole[top : top + 2 * height, left : left + 2 * width]


@pytest.mark.parametrize("key", ALL)
def test_one_undo_brings_the_document_back(key: str, told: dict[str, Any]) -> None:
    check_undo(key, told[key])


@pytest.mark.parametrize("each", COMBINED)
def test_outside_of_the_selection_the_layer_is_as_krita_alone_scales_it(
    each: str, told: dict[str, Any], krita: KritaSession
) -> None:
    key = f"enlarge-{each}"
    after, scaled = (saved(krita, f"{key}.{which}").copy() for which in ("after", "scaled"))
    target = twice(wanted(key, told))
    part(after, *target)[:] = 0
    part(scaled, *target)[:] = 0
    assert (after[:, :, 3] == scaled[:, :, 3]).all()
    visible = scaled[:, :, 3] > 0
    assert visible.any()
    assert (after[visible] == scaled[visible]).all()


@pytest.mark.parametrize("each", [each for each in COMBINED if not each.endswith("soft")])
def test_inside_of_a_hard_selection_it_is_the_networks(
    each: str, told: dict[str, Any], krita: KritaSession, model_server: ModelServer
) -> None:
    key = f"enlarge-{each}"
    after = part(saved(krita, f"{key}.after"), *twice(wanted(key, told)))
    assert (after[INSIDE] == patch(key, told, krita, model_server)[INSIDE]).all()


@pytest.mark.parametrize("kind", ["paint", "masked", "clone", "group"])
def test_soft_selection_blends_by_alpha(
    kind: str, told: dict[str, Any], krita: KritaSession, model_server: ModelServer
) -> None:
    key = f"enlarge-{kind}-soft"
    target = twice(wanted(key, told))
    after = part(saved(krita, f"{key}.after"), *target).astype(float)
    low = part(saved(krita, f"{key}.scaled"), *target).astype(float)
    high = patch(key, told, krita, model_server).astype(float)
    share = soft_mask()[:, :, None]
    alpha = low[:, :, 3:] * (1 - share) + high[:, :, 3:] * share
    with np.errstate(invalid="ignore"):
        colour = (low * low[:, :, 3:] * (1 - share) + high * high[:, :, 3:] * share) / alpha
    seen = alpha[:, :, 0] > 128
    assert abs(after[:, :, 3:] - alpha).mean() < 2
    assert abs(after - colour)[seen][:, :3].mean() < 2


@pytest.mark.parametrize("key", PATCHES)
def test_the_patch_alone_is_what_the_server_made_of_the_selection(
    key: str, told: dict[str, Any], krita: KritaSession, model_server: ModelServer
) -> None:
    x, y, width, height = wanted(key, told)
    is_layer = key.startswith("layer")
    after = part(saved(krita, f"{key}.after"), *((x, y) if is_layer else (0, 0)), 2 * width, 2 * height)
    assert (after == patch(key, told, krita, model_server)).all()
    assert told[key]["canvas"] == (list(CANVAS) if is_layer else [2 * width, 2 * height])


def test_new_document_of_a_soft_selection_has_the_mask_as_alpha(
    told: dict[str, Any], krita: KritaSession, model_server: ModelServer
) -> None:
    assert told["new-paint-soft"]["canvas"] == [56, 40]
    after = part(saved(krita, "new-paint-soft.after"), 0, 0, 56, 40).astype(float)
    expected = patch("new-paint-soft", told, krita, model_server).astype(float)
    share = soft_mask()
    assert abs(after[:, :, 3] - expected[:, :, 3] * share).mean() < 5  # nearest against cubic
    full = share > 0.99
    assert (after[full][:, 3] >= expected[full][:, 3] - 4).all()
