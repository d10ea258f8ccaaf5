"""Every kind of layer, in real GIMP: its pixels against the server's own answer, its place, and what else follows."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from tests.gimp.gimp_session import GimpSession
from tests.hosts.model_server import ModelServer

pytestmark = pytest.mark.gimp

WIDTH, HEIGHT = 24, 18
CLAY = "/usr/share/color/icc/krita/ClayRGB-elle-V2-g22.icc"
WIDE = "/usr/share/color/icc/krita/LargeRGB-elle-V2-g22.icc"
LINEAR = "/usr/share/color/icc/krita/sRGB-elle-V2-g10.icc"
SAMPLES = {"u8": "u1", "u16": "<u2", "f16": "<f2", "f32": "<f4"}
# precision, kind, profile → the depth and transfer that the server must have seen
DEPTHS = {
    "U8_NON_LINEAR": ("u8", "perceptual"),
    "U8_PERCEPTUAL": ("u8", "perceptual"),
    "U8_LINEAR": ("u8", "linear"),
    "U16_NON_LINEAR": ("u16", "perceptual"),
    "U16_LINEAR": ("u16", "linear"),
    "U32_NON_LINEAR": ("f32", "perceptual"),
    "U32_LINEAR": ("f32", "linear"),
    "HALF_NON_LINEAR": ("f16", "perceptual"),
    "HALF_LINEAR": ("f16", "linear"),
    "FLOAT_NON_LINEAR": ("f32", "perceptual"),
    "FLOAT_LINEAR": ("f32", "linear"),
    "DOUBLE_NON_LINEAR": ("f32", "perceptual"),
    "DOUBLE_LINEAR": ("f32", "linear"),
}
ROWS = [(precision, kind, "") for precision in DEPTHS for kind in ("RGB", "RGBA", "GRAY", "GRAYA")]
ROWS += [(precision, "RGBA", profile) for precision in ("U8_NON_LINEAR", "U16_NON_LINEAR", "FLOAT_NON_LINEAR")
         for profile in (CLAY, WIDE, LINEAR)]  # fmt: skip

SCRIPT = """
from array import array

def beyond(layer, model):
    '''Stretch colours beyond 0…1, as photos developed in float have them.'''
    name = Babl.get_name(Babl.format_with_space(model + " float", layer.get_format()))
    values = array("f", pixels(layer, name))
    samples = len(values) // (layer.get_width() * layer.get_height())
    for place, value in enumerate(values):
        if samples in (1, 3) or place % samples != samples - 1:
            values[place] = value * 1.5 - 0.25
    paint(layer, values.tobytes(), name)

rows = {rows}
for number, (precision, kind, profile) in enumerate(rows):
    image, layer = picture({width}, {height}, kind, getattr(Gimp.Precision, precision), profile or None)
    model, sample = Babl.format_get_encoding(layer.get_format()).rsplit(" ", 1)
    wire = sample if sample in ("u8", "u16", "half", "float") else "float"
    name = Babl.get_name(Babl.format_with_space(model + " " + wire, layer.get_format()))
    if sample in ("half", "float", "double"):
        beyond(layer, model)
    keep(f"{{number}}.before", pixels(layer, name))
    status, made = upscale(image, output="new", detail=0.5)
    assert status == "success", (precision, kind, profile, made)
    after = made.get_layers()[0]
    keep(f"{{number}}.after", pixels(after, name))
    answer(str(number), [made.get_precision().value_nick, made.get_width(), made.get_height(), shape(after),
        Babl.get_name(layer.get_format()) == Babl.get_name(after.get_format())])
    made.delete()
    image.delete()
"""


@pytest.fixture(scope="module")
def table(gimp: GimpSession) -> dict[str, Any]:
    return gimp.run(SCRIPT.format(rows=ROWS, width=WIDTH, height=HEIGHT))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join((row[0], row[1], *row[2].rsplit("/", 1)[1:])))
def test_every_depth_kind_and_profile_comes_back_as_the_server_made_it(
    gimp: GimpSession, model_server: ModelServer, table: dict[str, Any], row: tuple[str, str, str]
) -> None:
    number = ROWS.index(row)
    precision, kind, profile = row
    depth, transfer = DEPTHS[precision]
    if profile == LINEAR:
        transfer = "linear"
    expected = model_server.upscale(
        gimp.kept(f"{number}.before"), WIDTH, HEIGHT, kind, depth, transfer=transfer, model="fixed", detail=0.5
    )
    told_precision, width, height, layer, same_format = table[str(number)]
    assert (width, height) == (2 * WIDTH, 2 * HEIGHT)
    assert told_precision == precision.lower().replace("_", "-")
    assert same_format
    assert layer["size"] == [2 * WIDTH, 2 * HEIGHT]
    wanted = numpy.frombuffer(expected, SAMPLES[depth]).astype(numpy.float64)
    got = numpy.frombuffer(gimp.kept(f"{number}.after"), SAMPLES[depth]).astype(numpy.float64)
    if "FLOAT" in precision or "HALF" in precision or "DOUBLE" in precision:
        assert wanted.max() > 1.01, "colours beyond white should stay"
        assert wanted.min() < -0.01, "colours beyond black should stay"
    largest = 1.0 if depth[0] == "f" else float(numpy.iinfo(SAMPLES[depth]).max)
    difference = numpy.abs(wanted - got).max() / largest
    assert difference <= 1e-6, f"max difference {difference}, expected mean {wanted.mean()}, got {got.mean()}"
