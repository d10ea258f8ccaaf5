"""A real photo through real GIMP, beside the command line; and what the menu and the installer promise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from tests.gimp.gimp_session import GimpSession
from tests.hosts.model_server import ModelServer

pytestmark = [pytest.mark.gimp, pytest.mark.versions]

PHOTO = "cid22_1454804_6ebab.jpg"
SCRIPT = """
procedure = Gimp.get_pdb().lookup_procedure(PROCEDURE)
menu = [path.rstrip("/") for path in procedure.get_menu_paths()]
answer("entry", [procedure.get_menu_label(), menu, procedure.get_image_types()])
answer("arguments", [each.name for each in procedure.get_arguments()])
for output in ("new", "enlarge"):
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path("/job/photo.png"))
    before = structure(image)
    status, made = upscale(image, model="auto", output=output)
    assert status == "success", made
    answer(output, {
        "size": [made.get_width(), made.get_height()],
        "same image": made.get_id() == image.get_id(),
        "untouched": structure(image) == before,
    })
    keep(f"{output}.raw", pixels(made.get_layers()[0]))
"""


@pytest.fixture(scope="module")
def photo(gimp: GimpSession, shared: Path) -> Path:
    # As PNG: GIMP and Pillow ask libjpeg for different transforms, and differ by up to 3/255 on the JPEG itself.
    path = gimp.work / "photo.png"
    with Image.open(shared / "photos" / PHOTO) as stored:
        stored.save(path)
    return path


@pytest.fixture(scope="module")
def told(gimp: GimpSession, photo: Path) -> dict[str, Any]:
    assert photo.exists()
    return gimp.run(SCRIPT)


@pytest.fixture(scope="module")
def by_command_line(photo: Path, model_server: ModelServer) -> numpy.ndarray:
    target = photo.with_name("photo-x2.png")
    command = [
        sys.executable,
        "-c",
        "import server.cli, sys; sys.exit(server.cli.main())",
        str(photo),
        "-o",
        str(target),
    ]
    environment = {**os.environ, "NEURAL_UPSCALE_RUNTIME": str(model_server.runtime)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    with Image.open(target) as made:
        return numpy.asarray(made.convert("RGB"))


@pytest.mark.parametrize("output", ["new", "enlarge"])
def test_a_photo_doubles_to_what_the_command_line_gives(
    gimp: GimpSession, told: dict[str, Any], by_command_line: numpy.ndarray, output: str
) -> None:
    height, width = by_command_line.shape[:2]
    assert told[output]["size"] == [width, height]
    assert (width, height) == (1024, 1024)
    got = numpy.frombuffer(gimp.kept(f"{output}.raw"), numpy.uint8).reshape(height, width, 3)
    difference = numpy.abs(got.astype(int) - by_command_line.astype(int))
    assert difference.max() <= 1, f"mean {difference.mean()}, histogram {numpy.bincount(difference.ravel())[:8]}"
    assert told[output]["same image"] == (output == "enlarge")
    assert told[output]["untouched"] == (output == "new")


def test_the_entry_is_under_filters(told: dict[str, Any]) -> None:
    assert told["entry"] == ["_Neural Upscale x2…", ["<Image>/Filters"], "RGB*, GRAY*, INDEXED*"]
    own = {"model", "detail", "cleanup", "output", "scale", "width", "height"}
    assert set(told["arguments"]) == {"run-mode", "image", "drawables", *own}
