"""The dialog in real Krita, dark and bright, on a common screen at 100 % and 200 %; its pictures are kept."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from PIL import Image

from tests.hosts.model_server import ModelServer
from tests.import_graph import ROOT
from tests.krita.krita_session import KritaSession
from tests.krita.test_faults import STARTER

pytestmark = [pytest.mark.krita, pytest.mark.versions]


@pytest.fixture(scope="module", params=itertools.product(["dark", "bright"], [1, 2]), ids="{0[0]}-{0[1]}00".format)
def told(krita: KritaSession, model_server: ModelServer, request: pytest.FixtureRequest) -> dict[str, Any]:
    with Image.open(ROOT / "docs" / "images" / "photo.jpg") as opened:
        photo = opened.convert("RGB")
        photo.resize((photo.width * 2, photo.height * 2)).save(krita.work / "photo.png")
    theme, factor = request.param
    model_server.announce(krita.work)
    chosen = krita.settings.read_text()
    krita.settings.write_text(chosen + f"\n[theme]\nTheme=Krita {theme}\n")
    (krita.work / "starter.py").write_text(STARTER)
    (krita.work / "dialog" / "runtime.json").unlink(missing_ok=True)
    record = krita.resources / "pykrita" / "neural_upscale" / "install.json"
    before = record.read_bytes()
    screen = {"HOSTS_SCREEN": "1920x1080x24", "QT_SCALE_FACTOR": str(factor)}
    parameters = {"name": f"dialog-{theme}-{100 * factor}"}
    answers = krita.run("dialog", opened="photo.png", parameters=parameters, variables=screen).answers()
    record.write_bytes(before)
    krita.settings.write_text(chosen)
    krita.keep_screenshots("krita")
    return {**answers, "factor": factor}


def test_dialog_starts_the_server_and_says_so_meanwhile(told: dict[str, Any]) -> None:
    assert told["note"].startswith("Starting the model server")
    assert told["busy"]
    assert not told["still_busy"]


def test_dialog_fits_the_screen(told: dict[str, Any]) -> None:
    assert told["ratio"] == told["factor"]
    assert told["size"][1] <= 600
    assert told["frame"] <= told["room"][1]


def test_preview_fills_its_place_in_the_pixels_of_the_screen(told: dict[str, Any]) -> None:
    for view, picture in ((told["view"], told["picture"]), (told["grown"], told["grown_picture"])):
        excess = [got - told["factor"] * wanted for wanted, got in zip(view, picture, strict=True)]
        assert all(0 <= each <= 1 for each in excess), (view, picture)


def test_preview_grows_with_the_dialog(told: dict[str, Any]) -> None:
    assert told["grown"] == [told["view"][0] + 60, told["view"][1] + 40]


def test_zoom_shows_a_third_of_the_pixels(told: dict[str, Any]) -> None:
    wanted = [told["factor"] * each / 3 for each in told["view"]]
    assert told["zoomed"] == pytest.approx(wanted, abs=2)


def test_divider_and_place_obey_the_keyboard(told: dict[str, Any]) -> None:
    assert told["divider"] == pytest.approx(0.04)
    assert told["moved"][0] < 0
    assert told["moved"][1] == 0


def test_thumbnail_can_be_dragged(told: dict[str, Any]) -> None:
    assert told["dragged"] == [0, 0]


def test_size_is_a_factor_or_pixels_whose_proportions_are_kept(told: dict[str, Any]) -> None:
    assert told["sizes"] == [[1920, 1280], [2880, 1920]]
    assert told["tripled"] == [3.0, 3.0]
    assert told["typed"] == ["pixels", 667, 1000, None]
    assert told["other"] == [1050, 700, [[960, 7680], [640, 5120]]]
