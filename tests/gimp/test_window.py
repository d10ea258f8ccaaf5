"""A user at GIMP's real window: menu, dialog, preview, result, undo, repeat, cancel, and painting in the meantime.

The screenshots lie in tests/screenshots, for people to look at.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from tests.gimp.gate import gate
from tests.gimp.gimp_session import GimpSession
from tests.hosts.editor_host import EditorHost
from tests.hosts.model_server import ModelServer

pytestmark = [pytest.mark.gimp, pytest.mark.versions]

SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
PHOTO = "budgie-backgrounds_perched-osprey_cfa48.jpg"
PART = (340, 120, 940, 540)  # 600×420 pixels round the bird
HELPERS = Path(__file__).with_name("window.py")
LAST_VALUES = "gimp/plug-in-settings/GimpProcedureConfigRun-plug-in-neural-upscale-x2.last"
SIDE = 360  # of the preview's picture, which is higher where the window is


@contextmanager
def at_the_window(host: EditorHost, server: ModelServer, photo: Path, work: Path) -> Iterator[GimpSession]:
    """Yield a GIMP whose way to the server leads through a gate, and whose last values name the pair `fixed`."""
    session = GimpSession.fresh(host, work)
    with Image.open(photo) as stored:
        stored.convert("RGB").crop(PART).save(work / "photo.png")
    settings = work / LAST_VALUES
    settings.parent.mkdir(parents=True)
    settings.write_text('(model "fixed")\n')
    with gate(server.url, work) as between:
        path = work / "runtime.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"url": between.url, "token": server.token, "pid": 0, "version": ""}))
        try:
            yield session
        finally:
            SCREENSHOTS.mkdir(exist_ok=True)
            for each in work.glob("*.png"):
                if each.name != "photo.png":
                    shutil.copy(each, SCREENSHOTS / f"gimp-{each.name}")


@pytest.fixture
def window(editor_host: EditorHost, model_server: ModelServer, shared: Path, tmp_path: Path) -> Iterator[GimpSession]:
    with at_the_window(editor_host, model_server, shared / "photos" / PHOTO, tmp_path) as session:
        yield session


def run(session: GimpSession, script: str) -> dict[str, Any]:
    return session.run(HELPERS.read_text(encoding="utf-8") + script, screen=True, timeout=800)


def divider_of(picture: numpy.ndarray) -> tuple[int, int]:
    """Find the preview's divider in a screenshot of the dialog: two white columns beside a black one; (x, top)."""
    white, black = (picture == 255).all(axis=2), (picture == 0).all(axis=2)
    for x in range(1, white.shape[1] - 1):
        rows = numpy.flatnonzero(white[:, x] & white[:, x + 1] & black[:, x - 1])
        if len(rows) >= SIDE - 8 and rows[-1] - rows[0] < len(rows) + 8:
            return x, int(rows[0])
    raise AssertionError("no divider was found in the dialog")


def seen(session: GimpSession, name: str) -> numpy.ndarray:
    with Image.open(session.work / f"{name}.png") as picture:
        return numpy.asarray(picture.convert("RGB")).astype(int)


def test_menu_dialog_preview_result_undo_and_repeat(window: GimpSession) -> None:
    told = run(window, """
image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path("/job/photo.png"))
before = structure(image)
display, title = show(image)
press(title, "alt+r", "Up")
shot("menu")
keyboard("key", "Return")
dialog = window_of(DIALOG)
own = settled("dialog-own", dialog)
shot("dialog")
press(DIALOG, "alt+d", "End")
detailed = settled("dialog-detailed", dialog, unlike=own)
press(DIALOG, "Home")
settled("dialog-faithful", dialog, unlike=detailed)
press(DIALOG, "Return")
gone(DIALOG)
answer("enlarged", bool(is_size(image, 1200, 840)))
time.sleep(2)
shot("result")
keep("interactive", pixels(image.get_layers()[0]))
answer("undone", undo(image) == before)
repeat(title)
answer("repeated", bool(is_size(image, 1200, 840)))
time.sleep(2)
keep("repeated", pixels(image.get_layers()[0]))
answer("undone again", undo(image) == before)
status, made = upscale(image, output="new", detail=0.0)
keep("noninteractive", pixels(made.get_layers()[0]))
press(title, "alt+r", "Up", "Return")
dialog = window_of(DIALOG)
centre = settled("photo-centre", dialog)
click_at(dialog, THUMBNAIL[0] + 45, THUMBNAIL[1] + 18)
head = settled("photo-head", dialog, unlike=centre)
press(DIALOG, "alt+e", "Home", "alt+d")  # auto, with its own detail; Return means OK there
settled("photo-preview", dialog, unlike=head, quiet=6)
shot("photo-dialog")
press(DIALOG, "Return")
gone(DIALOG)
is_size(image, 1200, 840)
time.sleep(1)
keyboard("windowsize", "--sync", window_of(window_title(image)), "1300", "970")
press(window_title(image), "1", "shift+j")
time.sleep(2)
shot("photo-result")
""")  # fmt: skip
    assert told == {"enlarged": True, "undone": True, "repeated": True, "undone again": True}
    assert window.kept("interactive") == window.kept("repeated") == window.kept("noninteractive")
    detailed, faithful = seen(window, "dialog-detailed"), seen(window, "dialog-faithful")
    x, top = divider_of(faithful)
    changed = numpy.abs(detailed - faithful).max(axis=2)[top : top + SIDE]
    assert changed[:, x + 3 : x + 190].max() > 0, "another detail should change the picture right of the divider"
    assert changed[:, x - 190 : x - 1].max() == 0, "and nothing left of it"


BROWSER = """
applications = Path.home() / ".local/share/applications"
applications.mkdir(parents=True)
(Path("/job") / "browser").write_text("#!/bin/sh\\necho $1 > /job/opened\\n")
(Path("/job") / "browser").chmod(0o755)
(applications / "browser.desktop").write_text(
    "[Desktop Entry]\\nType=Application\\nName=browser\\nExec=/job/browser %u\\nMimeType=text/html;\\n")
(applications / "mimeapps.list").write_text("[Default Applications]\\ntext/html=browser.desktop\\n")
"""


CHANGES = {
    "painted on": "layer.edit_fill(Gimp.FillType.BACKGROUND)",
    "undone": "undo(image)",
    "resized": "layer.resize(400, 300, 0, 0)",
    "moved": "layer.set_offsets(3, 4)",
    "deleted": "image.remove_layer(layer)",
    "selected otherwise": "image.select_rectangle(Gimp.ChannelOps.REPLACE, 5, 5, 50, 50)",
}


MEANWHILE = """
Path("/job/gimp/plug-in-settings").mkdir(exist_ok=True)
for case, change in {changes!r}.items():
    image, layer = picture(200, 150, "RGBA")
    other = layer.copy()
    image.insert_layer(other, None, 1)
    image.set_selected_layers([layer])
    display, title = show(image)
    layer.edit_fill(Gimp.FillType.FOREGROUND)  # for "undone"
    Gimp.displays_flush()
    known = [each.get_id() for each in Gimp.get_images()]
    if case == "painted on":
        press(title, "alt+r", "Up", "Return")
        settled("meanwhile", window_of(DIALOG))
        hold()
        press(DIALOG, "Return")
    else:
        hold()
        repeat(title)
    held()
    exec(change)
    Gimp.displays_flush()
    changed = structure(image)
    release()
    assert wait_for(lambda: new_image_since(known), 60), case
    message("changed-" + case.replace(" ", "-"))
    made = new_image_since(known)
    answer(case, [structure(image) == changed, made.get_width(), made.get_height()])
    display.delete()

one, _layer = picture(200, 150, "RGBA")
hold()
repeat(show(one)[1])
held()
Path("/job/gate-held").unlink()
other, _layer = picture(180, 140, "RGBA")
repeat(show(other)[1])
held()
release()
answer("two at once", bool(is_size(one, 400, 300) and is_size(other, 360, 280)))

image, layer = picture(210, 150, "RGBA")
display, title = show(image)
known = [each.get_id() for each in Gimp.get_images()]
hold()
repeat(title)
held()
display.delete()
answer("closed", [image.is_valid(), len(Gimp.get_images()) - len(known)])
release()
message("closed")
answer("after closing", [new_image_since(known) is None, len(Gimp.get_images()) - len(known)])
"""


@pytest.fixture(scope="module")
def meanwhile(
    editor_host: EditorHost, model_server: ModelServer, shared: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What came of documents that changed while the server worked, and of two that were enlarged at once."""
    work = tmp_path_factory.mktemp("meanwhile")
    with at_the_window(editor_host, model_server, shared / "photos" / PHOTO, work) as session:
        return run(session, MEANWHILE.format(changes=CHANGES))


@pytest.mark.parametrize("case", CHANGES)
def test_a_document_changed_meanwhile_is_left_alone_and_the_result_is_a_new_image(
    meanwhile: dict[str, Any], case: str
) -> None:
    assert meanwhile[case] == [True, 400, 300]


def test_an_image_that_was_closed_meanwhile_gets_a_sentence_and_no_result(meanwhile: dict[str, Any]) -> None:
    assert meanwhile["closed"] == [False, -1]
    assert meanwhile["after closing"] == [True, -1]


def test_two_documents_are_enlarged_at_once(meanwhile: dict[str, Any]) -> None:
    assert meanwhile["two at once"]


def test_the_dialog_starts_the_server_as_it_opens_and_the_preview_can_be_steered_by_mouse_and_keys(
    window: GimpSession,
) -> None:
    ready = window.work / "runtime.json"
    ready.rename(window.work / "later.json")
    record = window.work / "gimp/plug-ins/neural-upscale/install.json"
    command = ["/bin/sh", "-c", "sleep 2; cp -p /job/later.json /job/runtime.json; sleep 60"]
    record.write_text(json.dumps({**json.loads(record.read_text()), "command": command}))
    told = run(window, BROWSER + """
image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path("/job/photo.png"))
display, title = show(image)
press(title, "alt+r", "Up", "Return")
dialog = window_of(DIALOG)
started = settled("dialog-started", dialog)
x, top = divider_in(started, dialog)
click_at(dialog, x - 90, top + 100)
moved = settled("dialog-divided", dialog, unlike=started)
press(DIALOG, "Right", "Right")
keyed = settled("dialog-divided-by-keys", dialog, unlike=moved)
click_at(dialog, THUMBNAIL[0] + 16, THUMBNAIL[1] + 10)
elsewhere = settled("dialog-elsewhere", dialog, unlike=keyed)
press(DIALOG, "Down", "Right")
settled("dialog-elsewhere-by-keys", dialog, unlike=elsewhere)
press(DIALOG, "F1")
assert wait_for(lambda: Path("/job/opened").exists()), "F1 opened nothing"
keyboard("windowsize", "--sync", dialog, "1300", "900")
grown = settled("dialog-grown", dialog, unlike=elsewhere)
press(DIALOG, "alt+z", "Down")
settled("dialog-tripled", dialog, unlike=grown)
press(DIALOG, "alt+d", "Return")
gone(DIALOG)
answer("tripled", bool(is_size(image, 1800, 1260)))
""")  # fmt: skip
    x, top = divider_of(seen(window, "dialog-started"))
    assert abs(divider_of(seen(window, "dialog-divided"))[0] - (x - 90)) <= 2
    left = slice(x - 190, x - 100)
    change = (
        seen(window, "dialog-elsewhere")[top : top + SIDE, left]
        - seen(window, "dialog-divided")[top : top + SIDE, left]
    )
    assert numpy.abs(change).mean() > 2, "a click on the thumbnail should show another part of the photo"
    assert divider_of(seen(window, "dialog-divided-by-keys"))[0] > divider_of(seen(window, "dialog-divided"))[0] + 20
    left, right = seen(window, "dialog-elsewhere"), seen(window, "dialog-elsewhere-by-keys")
    rows, columns = slice(top + 10, top + SIDE - 10), slice(x - 180, x - 110)
    change = left[rows, columns] - right[rows, columns]
    assert numpy.abs(change).mean() > 2, "arrow keys on the thumbnail should show another part"
    assert (window.work / "opened").read_text().strip().endswith("/neural_upscale/Help.html")
    small, large = ((seen(window, f"dialog-{each}") == 255).all(axis=2) for each in ("started", "grown"))
    assert large.sum(axis=0).max() > small.sum(axis=0).max() + 250, "the divider should grow with the window"
    assert told == {"tripled": True}


def test_cancel_ends_the_servers_work_and_leaves_the_image_untouched(
    window: GimpSession, model_server: ModelServer
) -> None:
    settings = window.work / LAST_VALUES
    settings.write_text('(model "slow")\n(detail 0.8)\n')  # this model takes none: it must not be sent
    script = """
Path("/job/gate-hold").touch()
image, layer = picture(1500, 1000, "RGB")
display, title = show(image)
before = structure(image)
press(title, "alt+r", "Up", "Return")
window_of(DIALOG)
Path("/job/gate-hold").unlink()
time.sleep(3)
press(DIALOG, "Return")
gone(DIALOG)
answer("begun", True)
time.sleep(3)
shot("progress")
Path("/job/asked").touch()
assert wait_for(lambda: Path("/job/busy").exists(), 60), "the server was not seen to work"
click(title, -60, -30)
Path("/job/cancelled").touch()
assert wait_for(lambda: Path("/job/idle").exists(), 60), "the server went on working"
time.sleep(1)
shot("cancelled")
answer("untouched", structure(image) == before)
answer("images", len(Gimp.get_images()))
image.select_rectangle(Gimp.ChannelOps.REPLACE, 40, 40, 30, 20)
before = structure(image)
status, made = upscale(image, output="layer")
answer("then", status)
answer("undone", undo(image) == before)
"""
    stopped = watch(window.work, model_server)
    told = run(window, script)
    assert told == {"begun": True, "untouched": True, "images": 1, "then": "success", "undone": True}
    print(f"Cancel to idle: {stopped[0]:.1f} s")
    assert stopped[0] < 10, "seconds from Cancel until the server was idle"


def watch(work: Path, server: ModelServer) -> list[float]:
    """Let the script know, when it asks, that the server is busy, then that it is idle; collect the seconds between."""
    took: list[float] = []

    def look() -> None:
        def wait(condition: Callable[[], bool]) -> None:
            while not condition() and time.monotonic() < give_up:
                time.sleep(0.05)

        def is_busy() -> bool:
            return bool(server.get("/v1/status")["queue"]["requests"])

        wait((work / "asked").exists)
        wait(is_busy)
        (work / "busy").touch()
        wait((work / "cancelled").exists)
        begun = time.monotonic()
        wait(lambda: not is_busy())
        took.append(time.monotonic() - begun)
        (work / "idle").touch()

    give_up = time.monotonic() + 750
    threading.Thread(target=look, daemon=True).start()
    return took
