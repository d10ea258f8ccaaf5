"""The dialog as it is seen: in every theme, on screens with and without a scale, at both zooms.

The screenshots lie in tests/screenshots, for people to look at.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy
import pytest
from PIL import Image

from tests.gimp.gimp_session import GimpSession
from tests.hosts.editor_host import EditorHost
from tests.hosts.model_server import ModelServer

pytestmark = [pytest.mark.gimp, pytest.mark.versions]

HELPERS = Path(__file__).with_name("window.py")
SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
PHOTO = Path(__file__).parents[2] / "docs" / "images" / "photo.jpg"
SMALLEST = 200  # rows of the picture at least
SCREENS = [("light", 1), ("dark", 1), ("light", 2), ("dark", 2)]
SCRIPT = """
image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path("/job/photo.png"))
display, title = show(image)
press(title, "alt+r", "Up", "Return")
dialog = window_of(DIALOG)
whole = settled("100", dialog, quiet=4)
press(DIALOG, "alt+3")
settled("300", dialog, unlike=whole, quiet=4)
"""


@pytest.fixture(scope="module", params=SCREENS, ids=lambda screen: f"{screen[0]}-{screen[1]}")
def shots(
    request: pytest.FixtureRequest, editor_host: EditorHost, model_server: ModelServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[int, numpy.ndarray]:  # fmt: skip
    """Zoom → what the dialog looks like there, in one theme on one screen."""
    scheme, scale = request.param
    work = tmp_path_factory.mktemp(f"{scheme}{scale}")
    session = GimpSession.fresh(editor_host, work, f"(theme-color-scheme {scheme})\n")
    model_server.announce(work)
    Image.open(PHOTO).save(work / "photo.png")
    script = HELPERS.read_text(encoding="utf-8") + SCRIPT
    outcome = session.start(script, screen=True, variables={"GDK_SCALE": str(scale)})
    outcome.must_succeed()
    assert "mnemonic" not in outcome.errors + outcome.output, "every control has a key of its own"
    SCREENSHOTS.mkdir(exist_ok=True)
    for zoom in ("100", "300"):
        shutil.copy(work / f"{zoom}.png", SCREENSHOTS / f"gimp-dialog-{scheme}-{scale}-{zoom}.png")
    return {zoom: pixels_of(work / f"{zoom}.png") for zoom in (100, 300)}


def pixels_of(path: Path) -> numpy.ndarray:
    with Image.open(path) as stored:
        return numpy.asarray(stored.convert("RGB")).astype(int)


def right_of_the_divider(shown: numpy.ndarray) -> numpy.ndarray:
    """Return a part of the preview between its divider, two white columns between black ones, and its right end."""
    white, black = (shown == 255).all(axis=2), (shown == 0).all(axis=2)
    line = (black[:, :-3] & white[:, 1:-2] & white[:, 2:-1] & black[:, 3:]).sum(axis=0)
    x, rows = int(line.argmax()) + 4, numpy.flatnonzero(black[:, int(line.argmax())])
    assert line.max() >= SMALLEST, "no divider was found"
    return shown[rows[0] : rows[0] + SMALLEST // 2, x : x + SMALLEST // 3]


def test_each_pixel_of_the_preview_is_one_of_the_screens_or_a_square_of_nine(shots: dict[int, numpy.ndarray]) -> None:
    plain, enlarged = (right_of_the_divider(shots[zoom]) for zoom in (100, 300))
    assert numpy.abs(numpy.diff(plain, axis=1)).max() > 20, "a sharp picture has steps from pixel to pixel"
    steps = numpy.abs(numpy.diff(enlarged, axis=1)).max(axis=(0, 2))
    assert {int(column) % 3 for column in numpy.flatnonzero(steps)} <= {int(steps.argmax()) % 3}
