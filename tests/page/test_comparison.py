"""Comparing models on the page, and what it tells of each."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.hosts.model_server import ModelServer
from tests.page.browser import Browser, wait_until
from tests.page.test_page import choose_model

pytestmark = pytest.mark.browser

PIXELS = """
    const canvas = document.querySelectorAll("#compare-results canvas")[arguments[0]];
    const {width, height} = canvas;
    return [width, height, [...canvas.getContext("2d").getImageData(0, 0, width, height).data]];
"""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A photo larger than the part that is compared."""
    rows, columns = np.mgrid[0:300, 0:400]
    waves = [np.sin(rows / (3 + channel)) * np.cos(columns / (7 - channel)) for channel in range(3)]
    path = tmp_path / "large.png"
    Image.fromarray(((np.stack(waves, -1) * 0.45 + 0.5) * 255).astype(np.uint8)).save(path)
    return path


def choose(page: Browser, *names: str) -> None:
    page.run(
        "for (const each of document.querySelectorAll('#compare-models input'))"
        " each.checked = arguments[0].includes(each.value);"
        "document.querySelector('#compare-models').dispatchEvent(new Event('change'))",
        names,
    )


def captions(page: Browser) -> list[str]:
    found: list[str] = page.run(
        "return [...document.querySelectorAll('#compare-results figcaption')].map((each) => each.textContent)"
    )
    return found


def test_models_are_shown_beside_each_other_with_their_times_as_the_whole_enlargement_shows_them(
    page: Browser, page_server: ModelServer, large: Path
) -> None:
    assert not page.is_shown("#comparison")
    page.hand_over("drop", large, "image/png")
    wait_until(lambda: page.is_shown("#comparison"), "the comparison to be offered")
    offered = page.run("return [...document.querySelectorAll('#compare-models input')].map((each) => each.value)")
    assert {"compact", "fixed", "whole"} <= set(offered)
    assert "fixed-faithful" not in offered
    choose(page, "fixed", "whole")
    page.run("document.querySelector('#compare-map').focus()")
    page.press("right", "up")
    page.click("#compare-start")
    wait_until(lambda: page.text("#compare-start") == "Compare", "the models")
    first, *others = captions(page)
    assert "browser" in first
    assert re.fullmatch(r"fixed, detail 0\.5, \d+\.\d\d s", others[0])
    assert re.fullmatch(r"whole, detail 0\.5, clean-up [\d.]+, \d+\.\d\d s", others[1])
    page.run("document.querySelector('#comparison').scrollIntoView()")
    page.screenshot("page-comparison")
    pixels = np.asarray(Image.open(large))
    raw = page_server.upscale(pixels.tobytes(), 400, 300, "RGB", "u8", model="fixed")
    whole = np.frombuffer(raw, np.uint8).reshape(600, 800, 3)
    width, height, shown = page.run(PIXELS, 1)
    assert (width, height) == (352, 264)
    # From the middle (200, 150) half a part to the right and half a part up: 200…376 by 18…150.
    expected = whole[36:300, 400:752].astype(int)
    assert np.abs(np.array(shown).reshape(height, width, 4)[..., :3] - expected).max() <= 1
    assert page.messages() == []


def test_a_comparison_can_be_stopped_and_another_photo_takes_it_away(page: Browser, large: Path, photo: Path) -> None:
    page.hand_over("drop", large, "image/png")
    wait_until(lambda: page.is_shown("#comparison"), "the comparison to be offered")
    choose(page)
    assert not page.is_enabled("#compare-start")
    choose(page, "slow")
    page.click("#compare-start")
    wait_until(lambda: page.text("#compare-start") == "Stop", "the model to run")
    page.click("#compare-start")
    wait_until(lambda: page.text("#compare-said") == "Stopped.", "the page to say so")
    assert len(captions(page)) == 1
    page.hand_over("drop", photo, "image/png")
    wait_until(lambda: page.text("#chosen").startswith("waves.png") and not captions(page), "the other photo")


def test_licence_author_size_and_speed_of_a_model_are_told(page: Browser) -> None:
    choose_model(page, "compact")
    page.click("#more summary")
    told = page.text("#facts")
    for fact in ("CC-BY-SA-4.0", "Neural Upscale", "ours, ×2, compact", "4.6 MiB"):
        assert fact in told
    page.screenshot("page-facts")
    page.click("#more summary")
