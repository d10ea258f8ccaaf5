"""The page in a real browser: what a user does with it, and what it must not do."""

from __future__ import annotations

import io
import os
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from server.cli.open_page import write_link
from server.client import Runtime
from tests.hosts.model_server import ModelServer
from tests.page.browser import Browser, wait_until

pytestmark = pytest.mark.browser
COMMAND = Path(sys.executable).with_name("neural-upscale")


def choose_pair(page: Browser, detail: str) -> None:
    page.run("const m = document.querySelector('#model'); m.value = 'fixed'; m.dispatchEvent(new Event('change'))")
    page.run("const d = arguments[0]; document.querySelector('#detail').value = d", detail)
    page.run("document.querySelector('#detail').dispatchEvent(new Event('input'))")


def choose_model(page: Browser, name: str) -> None:
    page.run(
        "const m = document.querySelector('#model'); m.value = arguments[0]; m.dispatchEvent(new Event('change'))", name
    )


def enlarge(page: Browser) -> None:
    page.click("#start")
    wait_until(lambda: page.is_shown("#result") or page.is_shown("#problem"), "the result")
    assert not page.is_shown("#problem"), page.text("#problem")
    wait_until(lambda: page.run("return document.querySelector('#after').complete"), "the picture to show")


def by_command_line(server: ModelServer, photo: Path, *flags: str) -> np.ndarray:
    target = photo.with_name("by-command-line.png")
    runtime = server.announce(photo.parent)
    environment = {**os.environ, "NEURAL_UPSCALE_RUNTIME": str(runtime)}
    subprocess.run([COMMAND, photo, "-o", target, *flags], env=environment, check=True, timeout=120)
    return np.asarray(Image.open(target))


def test_a_dropped_photo_is_enlarged_to_the_command_lines_pixels(
    page: Browser, page_server: ModelServer, photo: Path
) -> None:
    page.hand_over("drop", photo, "image/png")
    assert "waves.png" in page.text("#chosen")
    choose_pair(page, "0.35")
    enlarge(page)
    page.screenshot("page-result")
    page.click("#download")
    result = np.asarray(Image.open(page.downloaded("waves-x2.png")))
    assert result.shape == (180, 240, 3)
    expected = by_command_line(page_server, photo, "--model", "fixed", "--detail", "0.35")
    assert np.array_equal(result, expected)
    assert "240 × 180" in page.text("#result-text")
    assert "fixed, detail 0.35" in page.text("#result-text")
    assert page.messages() == []


def test_clean_up_is_automatic_until_its_slider_is_moved(page: Browser, page_server: ModelServer, photo: Path) -> None:
    page.hand_over("drop", photo, "image/png")
    choose_model(page, "fixed")
    assert not page.is_shown("#cleanup-field")
    choose_model(page, "whole")
    assert page.text("#cleanup-text") == "automatic"
    enlarge(page)
    assert re.search(r"whole, detail 0\.5, clean-up (0|1|0\.25|0\.5|0\.75) ", page.text("#result-text") + " ")
    page.run("document.querySelector('#cleanup').focus()")
    page.press("right", "right", "right")
    assert page.text("#cleanup-text") == "0.75"
    assert not page.run("return document.querySelector('#cleanup-automatic').checked")
    page.screenshot("page-cleanup")
    enlarge(page)
    wait_until(lambda: "clean-up 0.75" in page.text("#result-text"), "the clean-up that was chosen")
    page.click("#download")
    result = np.asarray(Image.open(page.downloaded("waves-x2.png")))
    expected = by_command_line(page_server, photo, "--model", "whole", "--cleanup", "0.75")
    assert np.array_equal(result, expected)


def test_a_chosen_photo_is_shown_with_the_size_that_it_will_get(page: Browser, photo: Path) -> None:
    page.hand_over("drop", photo, "image/png")
    wait_until(lambda: "240 × 180" in page.text("#sizes"), "the sizes")
    assert page.is_shown("#preview-image")
    assert not page.is_shown("#drop")
    enlarge(page)
    assert not page.is_shown("#preview")
    page.hand_over("drop", photo, "image/png")
    wait_until(lambda: page.is_shown("#preview-image"), "the next photo")
    assert not page.is_shown("#result")


def choose_size(page: Browser, value: str) -> None:
    page.click(f"#size label:has([value='{value}'])")


def test_a_factor_or_pixels_make_the_result_that_the_command_line_makes(
    page: Browser, page_server: ModelServer, photo: Path
) -> None:
    page.hand_over("drop", photo, "image/png")
    choose_model(page, "fixed")
    choose_size(page, "3")
    wait_until(lambda: page.text("#sizes") == "120 × 90 → 360 × 270 pixels", "the sizes")
    assert page.text("#start") == "Enlarge ×3"
    enlarge(page)
    page.click("#download")
    result = np.asarray(Image.open(page.downloaded("waves-x3.png")))
    assert np.array_equal(result, by_command_line(page_server, photo, "--model", "fixed", "--scale", "3"))
    choose_size(page, "pixels")
    assert page.run("return [document.querySelector('#width').value, document.querySelector('#height').value]") == [
        "240", "180"
    ]  # fmt: skip
    page.run("document.querySelector('#height').select()")
    page.press("2", "0", "0")
    assert page.run("return document.querySelector('#width').value") == "267"
    assert page.text("#start") == "Enlarge to 267 × 200"
    page.screenshot("page-size")
    enlarge(page)
    wait_until(lambda: "267 × 200 pixels" in page.text("#result-text"), "the result of that size")
    page.click("#download")
    result = np.asarray(Image.open(page.downloaded("waves-267x200.png")))
    expected = by_command_line(page_server, photo, "--model", "fixed", "--height", "200", "--overwrite")
    assert np.array_equal(result, expected)
    page.run("document.querySelector('#width').select()")
    page.press("9", "9", "9")
    page.click("#start")
    assert page.is_enabled("#start")
    assert page.focus() == "width"
    assert "960" in page.run("return document.querySelector('#width').validationMessage")
    assert page.messages() == []


def test_a_photo_that_the_browser_cannot_show_is_enlarged_to_a_width_and_named_after_its_size(
    page: Browser, tmp_path: Path
) -> None:
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "unseen.tiff")
    page.hand_over("drop", tmp_path / "unseen.tiff", "image/tiff")
    choose_model(page, "fixed")
    choose_size(page, "pixels")
    page.run("document.querySelector('#width').focus()")
    page.press("9", "9")
    assert page.run("return document.querySelector('#height').value") == ""
    enlarge(page)
    page.click("#download")
    with Image.open(page.downloaded("unseen-99x74.tiff")) as result:
        assert result.size == (99, 74)


def test_a_pasted_photo_is_taken(page: Browser, photo: Path) -> None:
    page.hand_over("paste", photo, "image/png")
    assert "waves.png" in page.text("#chosen")
    assert page.is_enabled("#start")


def test_a_chosen_photo_is_enlarged_by_keyboard_alone(page: Browser, photo: Path) -> None:
    page.type("#file", str(photo))
    choose_pair(page, "0")
    page.run("document.querySelector('#model').focus()")
    page.press("tab", "tab")  # past what there is to know of the model
    assert page.focus() == "detail"
    page.press("right", "right", "tab")
    assert page.text("#detail-text") == "0.10"
    assert page.focus() == "start"
    page.press("enter")
    wait_until(lambda: page.focus() == "result-title", "the focus to go to the result")
    page.press("tab", "tab")
    assert page.focus() == "viewer"
    page.press("2")
    assert page.text("#zoom-text") == "200 %"
    page.press("0", "tab")
    assert page.focus() == "split"
    page.press("end")
    assert page.run("return document.querySelector('#divider').style.left") == "100%"
    page.screenshot("page-keyboard")


def test_the_divider_is_dragged_and_the_picture_moved(page: Browser, photo: Path) -> None:
    page.hand_over("drop", photo, "image/png")
    choose_pair(page, "0")
    enlarge(page)
    page.run("document.querySelector('#viewer').scrollIntoView()")
    page.drag("#viewer", (0, 0), (150, 0))
    split = float(page.run("return document.querySelector('#split').value"))
    assert split > 60
    page.run("document.querySelector('[data-zoom=\"3\"]').click()")
    for _ in range(3):
        page.run("document.querySelector('#viewer').focus()")
        page.press("+")
    before = page.run("return document.querySelector('#after').style.transform")
    page.drag("#viewer", (-200, 0), (-120, 30))
    assert page.run("return document.querySelector('#after').style.transform") != before
    assert page.run("return document.querySelector('#before').style.transform") == page.run(
        "return document.querySelector('#after').style.transform"
    )
    page.screenshot("page-zoomed")


def test_two_fingers_zoom_the_picture(page: Browser, photo: Path) -> None:
    page.hand_over("drop", photo, "image/png")
    choose_pair(page, "0")
    enlarge(page)
    page.run("document.querySelector('#viewer').scrollIntoView()")
    before = int(page.text("#zoom-text").rstrip(" %"))
    page.pinch("#viewer", 120, 240)
    after = int(page.text("#zoom-text").rstrip(" %"))
    assert after == pytest.approx(2 * before, rel=0.1)


def test_the_token_leaves_the_address_and_stays_in_the_session(page: Browser, page_server: ModelServer) -> None:
    assert page.address == f"{page_server.url}/"
    page.open(f"{page_server.url}/")
    wait_until(lambda: page.run("return document.querySelectorAll('#model option').length"), "the models again")
    assert page.run("return document.cookie") == ""
    assert page.run("return localStorage.length") == 0


def test_without_a_token_the_page_says_how_to_open_it(chromium: Browser, page_server: ModelServer) -> None:
    chromium.open(f"{page_server.url}/")
    chromium.run("sessionStorage.clear()")
    chromium.open("about:blank")
    chromium.open(f"{page_server.url}/")
    wait_until(lambda: chromium.is_shown("#problem"), "the sentence")
    assert "neural-upscale open" in chromium.text("#problem")
    chromium.open("about:blank")
    chromium.open(f"{page_server.url}/#token=wrong-{'x' * 20}")
    wait_until(lambda: chromium.is_shown("#problem"), "the sentence")
    assert "neural-upscale open" in chromium.text("#problem")


def test_a_file_that_is_no_picture_gets_the_servers_sentence(page: Browser, tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(b"no picture at all")
    page.hand_over("drop", path, "image/png")
    page.click("#start")
    wait_until(lambda: page.is_shown("#problem"), "the sentence")
    assert "expected PNG, JPEG, TIFF, WebP, AVIF" in page.text("#problem")
    assert "log id" in page.text("#problem")
    assert not page.is_shown("#progress")
    assert page.is_enabled("#start")
    page.hand_over("drop", tmp_path / "broken.png", "text/plain")
    assert "expected a PNG" in page.text("#problem")


def test_cancelling_leaves_the_page_ready(page: Browser, page_server: ModelServer, tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.effect_noise((3000, 2000), 60).convert("RGB").save(path)
    page.hand_over("drop", path, "image/jpeg")
    choose_pair(page, "0")
    page.click("#start")
    wait_until(lambda: page_server.get("/v1/status")["queue"]["requests"] == 1, "the server to begin")
    wait_until(lambda: re.match(r"Enlarging… \d+ %", page.text("#progress-text")), "the share that is done")
    page.screenshot("page-progress")
    page.click("#cancel")
    wait_until(lambda: "Cancelled" in page.text("#said"), "the page to say so")
    wait_until(lambda: page_server.get("/v1/status")["queue"]["requests"] == 0, "the server to stop")
    assert page.is_enabled("#start")
    assert not page.is_shown("#problem")


def test_state_and_log_are_shown(page: Browser) -> None:
    wait_until(lambda: "cpu" in page.text("#status"), "the device")
    assert "GiB" in page.text("#status") or "MiB" in page.text("#status")
    page.click("#log-box summary")
    wait_until(lambda: "ready" in page.text("#log"), "the log")
    page.screenshot("page-log")


def test_the_plugins_come_as_zips_that_know_this_server(page: Browser) -> None:
    page.click("[data-plugin=gimp]")
    gimp = zipfile.ZipFile(io.BytesIO(page.downloaded("neural-upscale-gimp.zip").read_bytes()))
    program = gimp.getinfo("neural-upscale/neural-upscale.py")
    assert stat.S_IMODE(program.external_attr >> 16) == 0o755
    assert "neural-upscale/install.json" in gimp.namelist()
    page.click("[data-plugin=krita]")
    krita = zipfile.ZipFile(io.BytesIO(page.downloaded("neural-upscale-krita.zip").read_bytes()))
    assert {"neural_upscale.desktop", "neural_upscale/client/api.py", "neural_upscale/install.json"} <= set(
        krita.namelist()
    )


def test_the_page_asks_nobody_else_and_runs_no_script_but_its_own(page: Browser, page_server: ModelServer) -> None:
    wait_until(lambda: page.text("#status"), "the state")
    asked = page.run("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert asked
    assert [each for each in asked if not each.startswith((page_server.url, "blob:"))] == []
    policy = requests.get(page_server.url, timeout=10).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page.run("const s = document.createElement('script'); s.textContent = 'window.bad = 1'; document.body.append(s)")
    assert page.run("return window.bad ?? null") is None


def test_a_screen_reader_hears_a_name_for_everything_that_can_be_focused(page: Browser, photo: Path) -> None:
    empty = page.spoken()
    page.hand_over("drop", photo, "image/png")
    choose_size(page, "pixels")
    choose_pair(page, "0.5")
    enlarge(page)
    compared = page.spoken()
    assert [role for role, name in empty + compared if not name] == []
    assert {("button", "choose a file"), ("combobox", "Model")} <= set(empty)
    assert {("link", "Download"), ("slider", "Before | after"), ("button", "100 %")} <= set(compared)
    assert {("radio", "×3"), ("spinbutton", "Width"), ("spinbutton", "Height")} <= set(compared)
    assert {("slider", "Detail"), ("button", "Enlarge again"), ("button", "Choose another photo")} <= set(compared)
    assert any(role == "group" and name.startswith("Original and result") for role, name in compared)


def test_ids_are_unique_and_the_language_is_told(page: Browser) -> None:
    assert page.run("return document.documentElement.lang") == "en"
    ids = page.run("return [...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("is_dark", [False, True])
def test_text_keeps_its_contrast_light_and_dark(page: Browser, is_dark: bool) -> None:
    page.dark(is_dark)
    page.screenshot("page-dark" if is_dark else "page-light")
    ratios = page.run(CONTRASTS)
    page.dark(False)
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}


CONTRASTS = """
    const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((each) => each / 255)
        .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
        .reduce((sum, each, index) => sum + each * [0.2126, 0.7152, 0.0722][index], 0);
    const ground = (element) => {
        for (let each = element; each; each = each.parentElement) {
            const colour = parse(getComputedStyle(each).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    document.querySelector("#problem").hidden = false;
    const seen = {};
    const looked = ["h1", "#server-line", "#chosen", "#detail-help", "#start", ".drop .quiet", "dt", "legend"];
    looked.push("#size label:has(:checked)", "#size label + label", "a[href*=help]", "#problem", "label.button");
    for (const id of looked) {
        const element = document.querySelector(id);
        if (element) seen[id] = ratio(light(parse(getComputedStyle(element).color)), light(ground(element)));
    }
    document.querySelector("#problem").hidden = true;
    return seen;
"""


def test_the_page_fits_a_narrow_window(page: Browser) -> None:
    page.resize(500, 900)
    page.screenshot("page-narrow")
    width, room = page.run("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    page.resize(1200, 1000)
    assert width <= room


def test_the_link_file_of_open_leads_to_the_page_and_is_private(
    chromium: Browser, page_server: ModelServer, tmp_path: Path
) -> None:
    link = write_link(Runtime(page_server.url, page_server.token), tmp_path / "open.html")
    assert stat.S_IMODE(link.stat().st_mode) == 0o600
    chromium.open("about:blank")
    chromium.open(link.as_uri())
    wait_until(lambda: chromium.address == f"{page_server.url}/", "the browser to follow")
    wait_until(lambda: chromium.run("return document.querySelectorAll('#model option').length"), "the models")


def test_open_prints_the_address_with_the_token_in_its_fragment(page_server: ModelServer, tmp_path: Path) -> None:
    environment = {**os.environ, "NEURAL_UPSCALE_RUNTIME": str(page_server.announce(tmp_path))}
    command = [COMMAND, "open", "--print"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == f"{page_server.url}/#token={page_server.token}\n"
