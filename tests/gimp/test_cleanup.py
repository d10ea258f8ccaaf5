"""Clean-up in real GIMP: what is estimated from the whole layer holds for a selection too, and can be overruled."""

from __future__ import annotations

import io

import numpy
import pytest
from PIL import Image

from server.client import PixelFormat, Size
from server.pixels.cleanup import estimate_cleanup
from tests.gimp.gimp_session import GimpSession
from tests.hosts.model_server import FAMILY, ModelServer
from tests.server.in_process import photo_like

pytestmark = pytest.mark.gimp

WIDTH, HEIGHT = 500, 420
LEFT, TOP, SIDE = 4, 8, 40  # of the selection


def compressed_photo() -> numpy.ndarray:
    small = Image.fromarray(numpy.rint(photo_like(105, 125) * 255).astype(numpy.uint8))
    file = io.BytesIO()
    small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    pixels = numpy.array(Image.open(file))
    pixels[: TOP + SIDE + 8, : LEFT + SIDE + 8] = numpy.arange(0, LEFT + SIDE + 8)[None, :, None] * 4  # clean by itself
    return pixels


def test_a_selection_gets_the_cleanup_of_its_whole_layer(gimp: GimpSession, model_server: ModelServer) -> None:
    pixels = compressed_photo()
    Image.fromarray(pixels).save(gimp.work / "compressed.png")
    size, pixel_format = Size(WIDTH, HEIGHT), PixelFormat("RGB", "u8")
    estimated = estimate_cleanup(lambda first, last: pixels[first:last], size, pixel_format)
    part = numpy.ascontiguousarray(pixels[: TOP + SIDE, : LEFT + SIDE])
    alone = estimate_cleanup(lambda first, last: part[first:last], Size(LEFT + SIDE, TOP + SIDE), pixel_format)
    assert (estimated, alone) == (0.75, 0.0)
    gimp.run(f"""
image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path("/job/compressed.png"))
image.select_rectangle(Gimp.ChannelOps.REPLACE, {LEFT}, {TOP}, {SIDE}, {SIDE})
for name, arguments in {{"own": {{}}, "kept": {{"cleanup": 0.0}}}}.items():
    status, made = upscale(image, output="new", model="{FAMILY}", detail=0.0, **arguments)
    assert status == "success", made
    keep(name, pixels(made.get_layers()[0], "R'G'B' u8"))
""")
    for name, cleanup in (("own", estimated), ("kept", 0.0)):
        answer = model_server.upscale(
            pixels.tobytes(), WIDTH, HEIGHT, "RGB", "u8", model=FAMILY, detail=0, cleanup=cleanup
        )
        whole = numpy.frombuffer(answer, numpy.uint8).reshape(2 * HEIGHT, 2 * WIDTH, 3)
        expected = whole[2 * TOP : 2 * (TOP + SIDE), 2 * LEFT : 2 * (LEFT + SIDE)].astype(int)
        got = numpy.frombuffer(gimp.kept(name), numpy.uint8).reshape(expected.shape).astype(int)
        assert numpy.abs(got - expected).max() <= 1, name
    assert gimp.kept("own") != gimp.kept("kept")
