"""The dialog's controls, in real GIMP: what each sets, what it shows, and that all of them are explained."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gimp.gimp_session import GimpSession

pytestmark = [pytest.mark.gimp, pytest.mark.versions]

SCRIPT = """
import os
os.environ["LANGUAGE"] = "en"
sys.path.insert(0, "/job/gimp/plug-ins/neural-upscale")
gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import GimpUi, Gtk
GimpUi.init("controls")
from neural_upscale import client, masks
from neural_upscale.dialog import patch
from neural_upscale.dialog.models import Models
from neural_upscale.dialog.options import Options
from neural_upscale.dialog.preview import Preview

image, layer = picture(40, 30, "RGB")
image.resize(80, 60, 0, 0)
config = Gimp.get_pdb().lookup_procedure(PROCEDURE).create_config()
config.set_property("width", 5000)  # of an image that was larger
options = Options(config, lambda output: masks.basis(image, [layer], output).size)
for name in ("scale", "width", "height", "detail", "cleanup", "output", "model"):
    config.connect("notify::" + name, lambda *_about: options.refresh())
control = options._size
width, height = control._sides["width"], control._sides["height"]

def tell(name):
    answer(name, [control.choice.get_active_text(), width.get_text(), height.get_text(),
        *(config.get_property(each) for each in ("scale", "width", "height"))])

tell("a width out of reach is brought near")
control.choice.set_active_id("3.0")
tell("a factor")
height.set_text("90")
tell("a height")
height.set_text("9")
height.emit("activate")
tell("a height out of reach is brought near")
height.set_text("nonsense")
height.emit("activate")
height.set_text("90")
tell("nonsense is nothing")
config.set_property("output", "layer")
tell("another output")
control.choice.set_active_id("pixels")
tell("pixels chosen already")
config.set_property("height", 0)
config.set_property("scale", 2.5)
tell("a factor of a script")

options.know(Models.of({"default": "pair", "models": [
    {"name": "pair", "detail": {"highest": 1.0, "default": 0.4}}, {"name": "single", "detail": None}]}))
config.set_property("model", "pair")
options._detail.scale.set_value(0.8)
answer("detail of a pair", [round(config.get_property("detail"), 2), options._detail.get_sensitive()])
config.set_property("model", "single")
answer("detail of a single file", [config.get_property("detail"), options._detail.get_sensitive(),
    options._detail.get_tooltip_text()])

def unexplained(widget, explained=False):
    explained = explained or bool(widget.get_tooltip_text())
    if widget.get_can_focus() and not explained and not isinstance(widget, Gtk.Label):
        yield type(widget).__name__
    for each in widget.get_children() if isinstance(widget, Gtk.Container) else ():
        yield from unexplained(each, explained)

preview = Preview(image, layer, 2.0, lambda *_about: None)
answer("unexplained", [name for each in (options, preview, preview.place) for name in unexplained(each)])
preview.end()

image, layer = picture(400, 300, "RGB")
paint(layer, bytes(400 * 300 * 3), "R'G'B' u8")
paint(layer, bytes(255 * ((x + y) % 2) for y in range(30) for x in range(90)), "R'G'B' u8", (320, 240), (30, 30))
answer("most detailed", patch.most_detailed(layer, client.Region(0, 0, 400, 300)))
"""
SHOWN = {  # what the choice says, width and height in pixels, and the arguments scale, width and height
    "a width out of reach is brought near": ["pixels", "640", "480", 2.0, 640, 0],
    "a factor": ["×3", "240", "180", 3.0, 0, 0],
    "a height": ["pixels", "120", "90", 3.0, 0, 90],
    "a height out of reach is brought near": ["pixels", "80", "60", 3.0, 0, 60],
    "nonsense is nothing": ["pixels", "120", "90", 3.0, 0, 90],
    "another output": ["pixels", "120", "90", 3.0, 0, 90],
    "pixels chosen already": ["pixels", "120", "90", 3.0, 0, 90],
    "a factor of a script": ["×2.5", "100", "75", 2.5, 0, 0],
}


@pytest.fixture(scope="module")
def told(gimp: GimpSession) -> dict[str, Any]:
    return gimp.run(SCRIPT, screen=True)


@pytest.mark.parametrize("case", SHOWN)
def test_the_size_is_a_factor_or_pixels_in_the_shape_of_what_is_enlarged(told: dict[str, Any], case: str) -> None:
    assert told[case] == SHOWN[case]


def test_a_control_that_does_not_apply_shows_so_and_its_value_is_gone(told: dict[str, Any]) -> None:
    assert told["detail of a pair"] == [0.8, True]
    value, applies, tooltip = told["detail of a single file"]
    assert (value, applies) == (-1.0, False)
    assert "This model is faithful" in tooltip


def test_every_control_is_explained(told: dict[str, Any]) -> None:
    assert told["unexplained"] == []


def test_the_preview_starts_where_there_is_most_detail(told: dict[str, Any]) -> None:
    x, y = told["most detailed"]
    assert (320 - 24 < x < 350 + 24, 240 - 24 < y < 270 + 24) == (True, True)
