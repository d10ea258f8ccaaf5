"""The size of results: what the arguments ask for, in real GIMP."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from tests.gimp.gimp_session import GimpSession

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
