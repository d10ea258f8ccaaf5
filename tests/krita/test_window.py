"""The plug-in as its user meets it, in real Krita's window; screenshots stay in tests/screenshots to be looked at."""

from __future__ import annotations

import re
from typing import Any

import pytest
from PIL import Image

from tests.import_graph import ROOT
from tests.krita.krita_session import KritaSession

pytestmark = [pytest.mark.krita, pytest.mark.versions]

PHOTO = ROOT / "docs" / "images" / "photo.jpg"
WIDTH, HEIGHT = 480, 320


@pytest.fixture(scope="module")
def told(krita: KritaSession) -> dict[str, Any]:
    with Image.open(PHOTO) as opened:
        opened.convert("RGB").save(krita.work / "photo.png")
    answers = krita.run("window", opened="photo.png").answers()
    krita.keep_screenshots("krita-window")
    return answers


def test_both_entries_are_in_tools_scripts(told: dict[str, Any]) -> None:
    assert told["entries"] == [
        ["Tools", "Scripts", "Neural Upscale x2…"],
        ["Tools", "Scripts", "Neural Upscale x2 (repeat)"],
    ]
    assert told["in_menu"] == ["Neural Upscale x2…", "Neural Upscale x2 (repeat)"]
    assert told["names"] == ["neural_upscale_x2", "neural_upscale_x2_repeat"]


def test_dialog_lists_the_models_of_the_server(told: dict[str, Any]) -> None:
    assert told["models"][0] == "auto"
    assert {"fixed", "compact", "slow"} <= set(told["models"])
    assert not {"fixed-faithful", "fixed-detailed"} & set(told["models"]), "the slider leads there"


def test_every_letter_to_press_belongs_to_a_control(told: dict[str, Any]) -> None:
    assert told["loose"] == [], "Qt shows the & of a label without a control"


def test_detail_changes_the_preview_right_of_the_divider_only(told: dict[str, Any]) -> None:
    assert told["differs"]
    assert told["same_left"]
    assert told["detail"] == 1.0


def test_cleanup_is_automatic_until_it_is_chosen_and_the_preview_follows_it(told: dict[str, Any]) -> None:
    assert told["cleanup_of_pair"] == [False, "This model has no clean-up."]
    assert told["automatic"] is None
    assert float(told["estimated"]) in (0.0, 0.25, 0.5, 0.75, 1.0)
    assert told["still_estimated"] == told["estimated"]
    assert told["cleanup_differs"]
    assert told["cleanup"] == 0.0


def test_dialog_says_how_long_it_will_take(told: dict[str, Any]) -> None:
    assert re.fullmatch(r"This takes about \d+ (s|min) on this computer\.", told["estimate"])


def test_divider_follows_the_pointer(told: dict[str, Any]) -> None:
    assert told["divider"] == pytest.approx(0.25, abs=0.01)


def test_click_on_the_thumbnail_moves_the_patch_inside_the_layer(told: dict[str, Any]) -> None:
    assert told["framed"] == [WIDTH // 2, HEIGHT // 2]
    assert told["moved"] == [WIDTH, HEIGHT]


def test_ok_gives_the_result_and_undo_brings_the_photo_back(told: dict[str, Any]) -> None:
    assert told["size"] == [2 * WIDTH, 2 * HEIGHT]
    assert [(name, visible) for name, _, visible, *_ in told["layers"]][-1][1] is True
    assert told["undone"]


def test_repeat_runs_without_a_dialog_with_the_last_options(told: dict[str, Any]) -> None:
    assert told["kept"] == told["chosen"]
    assert told["chosen"].startswith("enlarge;")
    assert told["repeated"] == [2 * WIDTH, 2 * HEIGHT]
