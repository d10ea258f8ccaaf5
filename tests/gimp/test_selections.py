"""Every kind of layer × output × selection, in real GIMP: neural inside, GIMP's own scaling outside, no seam."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.gimp.gimp_session import GimpSession
from tests.hosts.editor_host import SUITE
from tests.hosts.model_server import ModelServer

pytestmark = [pytest.mark.gimp, pytest.mark.versions]

KINDS = ["plain", "transparent", "grey", "indexed", "masked", "effects", "group", "text"]
if SUITE != "trixie":
    KINDS += ["vector", "link"]  # GIMP 3.0 has neither
SELECTIONS = ["hard", "feathered", "partly outside"]
OUTPUTS = ["enlarge", "layer", "new"]
Run = tuple[str, str, float]  # selection, output, scale
RUNS = [(selection, output, 3.0) for selection in ["none", *SELECTIONS] for output in OUTPUTS]
RUNS += [("none", "enlarge", 2.0), ("feathered", "enlarge", 2.0), *(("hard", output, 2.0) for output in OUTPUTS)]
RUNS += [("hard", "enlarge", 2.5), ("none", "new", 2.5)]
BLENDED = [run for run in RUNS if run[0] != "none" and run[1] == "enlarge"]
PATCHES = [run for run in RUNS if run[0] != "none" and run[1] != "enlarge"]
WHOLE = [run for run in RUNS if run[0] == "none"]
SCRIPT = Path(__file__).with_name("kinds.py")
LAYOUTS = {"plain": "RGB", "indexed": "RGB", "grey": "GRAYA"}
CANVAS = (60, 44)


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def told(gimp: GimpSession, kind: str) -> dict[str, Any]:
    calls = "\n".join(f"enlarge(*{(kind, *run)!r})" for run in RUNS)
    return gimp.run(SCRIPT.read_text(encoding="utf-8") + "\n" + calls)


class Case:
    """One run: the pixels before, GIMP's own scaling of them, the server's answer for them, and the result."""

    def __init__(self, gimp: GimpSession, server: ModelServer, told: dict[str, Any], kind: str, run: Run) -> None:
        selection, output, self.scale = run
        name = f"{kind}-{selection}-{output}-{self.scale}"
        self.offsets, (width, height), self.place, self.size = told[name]
        self.layout = LAYOUTS.get(kind, "RGBA")
        self.width, self.height = width, height
        ends = (self.offsets[0] + width, self.offsets[1] + height)
        self.grown = [self.at(end) - self.at(start) for start, end in zip(self.offsets, ends, strict=True)]
        before = gimp.kept(f"{name}.before")
        if kind == "effects" and selection != "none" and output != "enlarge":
            before = inverted(before)  # a patch is made of what the layer looks like
        samples = {"RGB": 3, "GRAYA": 2, "RGBA": 4}[self.layout]
        self.scaled = picture(gimp.kept(f"{name}.scaled"), self.grown[0], samples)
        answer = server.upscale(
            before, width, height, self.layout, "u8", model="fixed", detail=0.5,
            out_width=self.grown[0], out_height=self.grown[1],
        )  # fmt: skip
        self.neural = picture(answer, self.grown[0], samples)
        shown = {"RGB": 4}.get(self.layout, samples) if output != "enlarge" else samples
        self.after = picture(gimp.kept(f"{name}.after"), self.size[0], shown)
        self.before = gimp.kept(f"{name}.before")
        self.left = gimp.kept(f"{name}.left") if output == "layer" and selection != "none" else self.before
        self.mask = numpy.frombuffer(gimp.kept(f"{name}.mask"), numpy.uint8).reshape(
            -1, self.at(CANVAS[0]) if output == "enlarge" else CANVAS[0]
        )

    def at(self, place: int) -> int:
        """Return where a place of the image lies in the result."""
        return math.floor(place * self.scale + 0.5)


def inverted(pixels: bytes) -> bytes:
    """Return RGBA pixels with the colours as gegl:invert-linear makes them."""
    values = numpy.frombuffer(pixels, numpy.uint8).reshape(-1, 4).copy()
    colours = values[:, :3] / 255
    linear = 1 - numpy.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    curved = numpy.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    values[:, :3] = numpy.round(curved * 255)
    return values.tobytes()


def picture(data: bytes, width: int, samples: int) -> numpy.ndarray:
    return numpy.frombuffer(data, numpy.uint8).reshape(-1, width, samples).astype(int)


@pytest.mark.parametrize("run", BLENDED, ids=str)
def test_enlarge_is_gimps_own_scaling_outside_the_selection_and_between_it_and_the_network_inside(
    gimp: GimpSession, model_server: ModelServer, told: dict[str, Any], kind: str, run: Run
) -> None:
    case = Case(gimp, model_server, told, kind, run)
    x, y = (case.at(each) for each in case.offsets)
    assert (case.place, case.size) == ([x, y], case.grown)
    mask = numpy.zeros(case.after.shape[:2], int)
    shown = case.mask[max(y, 0) : y + case.grown[1], max(x, 0) : x + case.grown[0]]
    mask[: shown.shape[0], : shown.shape[1]] = shown
    assert (case.after == case.scaled)[mask == 0].all(), "outside of the selection"
    lowest, highest = numpy.minimum(case.scaled, case.neural) - 2, numpy.maximum(case.scaled, case.neural) + 2
    between = (lowest <= case.after) & (case.after <= highest)
    opaque = numpy.ones(mask.shape, bool)
    if case.layout.endswith("A"):
        assert between[..., -1][mask > 0].all(), "alpha at the selection"
        opaque = (case.scaled[..., -1] == 255) & (case.neural[..., -1] == 255)
    assert between[(mask > 0) & opaque].all(), "colours at the selection"
    assert numpy.abs(case.after - case.neural)[(mask == 255) & opaque].max(initial=0) <= 1


@pytest.mark.parametrize("run", PATCHES, ids=str)
def test_a_patch_is_the_networks_and_leaves_the_layer_as_it_is(
    gimp: GimpSession, model_server: ModelServer, told: dict[str, Any], kind: str, run: Run
) -> None:
    case = Case(gimp, model_server, told, kind, run)
    rows, columns = numpy.flatnonzero(case.mask.any(axis=1)), numpy.flatnonzero(case.mask.any(axis=0))
    left, top = max(columns[0], case.offsets[0]), max(rows[0], case.offsets[1])
    right = min(columns[-1] + 1, case.offsets[0] + case.width)
    bottom = min(rows[-1] + 1, case.offsets[1] + case.height)
    assert case.size == [case.at(right - left), case.at(bottom - top)]
    assert case.place == ([left, top] if run[1] == "layer" else [0, 0])
    x, y = case.at(left - case.offsets[0]), case.at(top - case.offsets[1])
    expected = case.neural[y : y + case.size[1], x : x + case.size[0]]
    colours = 1 if case.layout == "GRAYA" else 3
    seen = case.after[..., -1] > 0
    difference = numpy.abs(expected[..., :colours] - case.after[..., :colours])[seen]
    assert difference.max(initial=0) <= 2 + 2 * (kind == "effects")
    if run[0] != "feathered":
        alpha = expected[..., -1] if case.layout.endswith("A") else 255
        assert (case.after[..., -1] == alpha).all(), "a hard selection keeps alpha up to its edge"
    assert case.left == case.before


@pytest.mark.parametrize("run", WHOLE, ids=str)
def test_without_a_selection_every_output_is_the_networks_whole_answer(
    gimp: GimpSession, model_server: ModelServer, told: dict[str, Any], kind: str, run: Run
) -> None:
    case = Case(gimp, model_server, told, kind, run)
    assert (case.after[..., : case.neural.shape[2]] == case.neural).all()


def test_a_flat_colour_stays_flat_round_a_hard_selection(gimp: GimpSession) -> None:
    gimp.run("""
image = Gimp.Image.new(100, 80, Gimp.ImageBaseType.RGB)
layer = Gimp.Layer.new(image, "Flat", 100, 80, Gimp.ImageType.RGB_IMAGE, 100, Gimp.LayerMode.NORMAL)
image.insert_layer(layer, None, 0)
paint(layer, bytes((180, 120, 60)) * 8000, "R'G'B' u8")
image.select_rectangle(Gimp.ChannelOps.REPLACE, 20, 20, 40, 30)
status, made = upscale(image, output="enlarge", model="auto")
assert status == "success", made
keep("flat", pixels(image.get_layers()[0], "R'G'B' u8"))
""")
    flat = picture(gimp.kept("flat"), 200, 3)
    assert numpy.abs(flat - (180, 120, 60)).max() <= 4
