"""The size of results: what the arguments ask for, in real GIMP, and where parts of a picture lie in the result."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import numpy
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import server.client
from server.client import CONTEXT, Region
from tests.gimp.gimp_session import GimpSession
from tests.gimp.test_models import loaded_package

SIZES = {  # arguments → the size of the image that holds the result, and of its first layer; the source has 40×30
    "output='enlarge', width=100": [[100, 75], [100, 75]],
    "output='enlarge', height=50": [[67, 50], [67, 50]],
    "output='enlarge', width=99, height=75": [[99, 75], [99, 75]],
    "output='enlarge', scale=1.0": [[40, 30], [40, 30]],
    "output='enlarge', scale=8.0": [[320, 240], [320, 240]],
    "output='enlarge', scale=3.0, width=100": [[100, 75], [100, 75]],
    "output='layer', height=45": [[40, 30], [60, 45]],
    "output='new', width=123": [[123, 92], [123, 92]],
}
ONE_PIXEL = {
    f"output={output!r}, scale={scale}": [size if output != "layer" else [1, 1], size]
    for output in ("enlarge", "layer", "new")
    for scale, size in ((2.0, [2, 2]), (2.5, [3, 3]), (3.0, [3, 3]))
}
SCRIPT = """
for arguments in {sizes!r}:
    image, layer = picture(40, 30, "RGB")
    image.set_resolution(240, 120)
    status, made = upscale(image, **eval("dict(" + arguments + ")"))
    assert status == "success", (arguments, made)
    answer(arguments, [structure(made)["size"], structure(made)["layers"][0]["size"]])
    answer("resolution", structure(made)["resolution"])
for arguments in {one_pixel!r}:
    image, layer = picture(1, 1, "RGB")
    paint(layer, bytes((180, 120, 60)), "R'G'B' u8")
    status, made = upscale(image, model="auto", **eval("dict(" + arguments + ")"))
    assert status == "success", (arguments, made)
    answer("1x1 " + arguments, [structure(made)["size"], structure(made)["layers"][0]["size"]])
    keep("1x1 " + arguments, pixels(made.get_layers()[0], "R'G'B' u8"))
"""


@pytest.fixture(scope="module")
def told(gimp: GimpSession) -> dict[str, Any]:
    return gimp.run(SCRIPT.format(sizes=list(SIZES), one_pixel=list(ONE_PIXEL)))


@pytest.mark.gimp
@pytest.mark.parametrize("arguments", SIZES)
def test_the_result_is_as_large_as_asked_for(told: dict[str, Any], arguments: str) -> None:
    assert told[arguments] == SIZES[arguments]
    assert told["resolution"] == [240, 120]


@pytest.mark.gimp
@pytest.mark.parametrize("arguments", ONE_PIXEL)
def test_a_layer_of_one_pixel_grows_and_keeps_its_colour(
    gimp: GimpSession, told: dict[str, Any], arguments: str
) -> None:
    assert told[f"1x1 {arguments}"] == ONE_PIXEL[arguments]
    colours = numpy.frombuffer(gimp.kept(f"1x1 {arguments}"), numpy.uint8).reshape(-1, 3).astype(int)
    assert numpy.abs(colours - (180, 120, 60)).max() <= 6


@pytest.fixture(scope="module")
def sizes() -> Any:
    """The plug-in's module, which knows no GIMP."""
    with loaded_package() as name:
        sys.modules[f"{name}.client"] = server.client
        yield importlib.import_module(f"{name}.sizes")


SIDES, PLACES = st.integers(1, 300), st.integers(-200, 200)
REGIONS = st.builds(Region, PLACES, PLACES, SIDES, SIDES)


@given(REGIONS, REGIONS, st.floats(1, 8))
def test_parts_that_touch_before_touch_after(sizes: Any, whole: Region, part: Region, factor: float) -> None:
    grown = sizes.Enlargement(whole, whole.scaled(factor, factor))
    right = Region(part.right, part.y, 7, part.height)
    assert grown.of(part).right == grown.of(right).x
    assert grown.of(whole) == grown.after


@given(REGIONS, st.data(), st.sampled_from((2.0, 2.5, 3.0, 4 / 3, 7.75)))
def test_what_is_sent_has_its_context_and_begins_with_a_whole_pixel_of_the_result(
    sizes: Any, whole: Region, data: st.DataObject, factor: float
) -> None:
    assume(whole.width >= 12)
    x = data.draw(st.integers(whole.x, whole.right - 12))
    width = 12 * data.draw(st.integers(1, (whole.right - x) // 12))  # a whole number of pixels at every factor
    part = Region(x, whole.y, width, whole.height)
    size = part.size.enlarged(factor)
    grown = sizes.Enlargement(part, Region(0, 0, size.width, size.height))
    sent = grown.with_context(part, whole)
    assert part.grown(CONTEXT).intersected(whole).intersected(sent) == part.grown(CONTEXT).intersected(whole)
    assert sent.intersected(whole) == sent
    if sent.x > whole.x:
        assert (sent.x - part.x) * factor == pytest.approx(round((sent.x - part.x) * factor))
