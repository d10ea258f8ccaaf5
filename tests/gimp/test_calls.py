"""The ways to call the procedure, in real GIMP: Script-Fu, last values, two at once, and what it says besides."""

from __future__ import annotations

import io
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from plugin_gimp.archive import contents
from tests.gimp.gimp_session import GimpSession
from tests.hosts.editor_host import EditorHost
from tests.hosts.model_server import ModelServer

pytestmark = pytest.mark.gimp

SCRIPT_FU = """
(let* ((image (car (gimp-image-new 40 30 RGB)))
       (layer (car (gimp-layer-new image "Photo" 40 30 RGB-IMAGE 100 LAYER-MODE-NORMAL))))
  (gimp-image-insert-layer image layer 0 0)
  (gimp-drawable-fill layer FILL-WHITE)
  (plug-in-neural-upscale-x2 #:run-mode RUN-NONINTERACTIVE #:image image #:drawables (vector layer)
    #:model "fixed" #:detail 0.5 #:output "enlarge")
  (gimp-message (string-append "size " (number->string (car (gimp-image-get-width image))) "x"
    (number->string (car (gimp-image-get-height image))))))
"""


def test_script_fu_can_call_it(gimp: GimpSession) -> None:
    command = ["gimp-console", "-d", "-i", "--quit", "--batch-interpreter=plug-in-script-fu-eval", "-b", SCRIPT_FU]
    outcome = gimp.command(command)
    assert "size 80x60" in outcome.errors + outcome.output, outcome.errors[-3000:]


def test_last_values_notices_and_defaults(gimp: GimpSession) -> None:
    outcome = gimp.start("""
image, layer = picture(40, 30, "RGB")
status, made = upscale(image, mode=Gimp.RunMode.WITH_LAST_VALS, output="enlarge")
answer("last values", [status, made.get_width()])
image, layer = picture(40, 30, "RGB")
image.convert_indexed(Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE, 24, False, False, "")
say(upscale(image, output="new"))
""")
    outcome.must_succeed()
    told = outcome.errors + outcome.output
    assert "The image was indexed; the result is in RGB" in told
    assert '"last values": ["success", 80]' in (gimp.work / "answers.json").read_text()


def test_two_runs_at_once_both_finish(editor_host: EditorHost, model_server: ModelServer, tmp_path: Path) -> None:
    script = """
image, layer = picture(200, 150, "RGBA")
status, made = upscale(image, output="enlarge", detail=0.5)
assert status == "success", made
keep("result.raw", pixels(made.get_layers()[0]))
"""
    sessions = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        session = GimpSession.fresh(editor_host, tmp_path / name)
        model_server.announce(session.work)
        sessions.append(session)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda session: session.run(script), sessions))
    assert sessions[0].kept("result.raw") == sessions[1].kept("result.raw")


def unpack(packed: bytes, folder: Path) -> None:
    """Unpack as `unzip` and file managers do: with the rights that the zip gives."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        for each in archive.infolist():
            archive.extract(each, folder)
            (folder / each.filename).chmod(each.external_attr >> 16)


def catalogue(texts: dict[str, str]) -> bytes:
    """Return texts in gettext's binary form."""
    texts = {"": "Content-Type: text/plain; charset=UTF-8\n", **texts}
    words = [[text.encode() for text in column] for column in zip(*sorted(texts.items()), strict=True)]
    count, start = len(texts), 28 + 16 * len(texts)
    tables, data = b"", b""
    for text in [*words[0], *words[1]]:
        tables += struct.pack("<II", len(text), start + len(data))
        data += text + b"\0"
    return struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, start) + tables + data


def test_the_zip_unpacked_into_a_profile_is_in_the_menu_works_and_can_be_translated(
    editor_host: EditorHost, model_server: ModelServer, tmp_path: Path
) -> None:
    unpack(contents(), tmp_path / "gimp" / "plug-ins")
    translated = tmp_path / "gimp/plug-ins/neural-upscale/neural_upscale/locale/de/LC_MESSAGES/neural-upscale.mo"
    translated.parent.mkdir(parents=True, exist_ok=True)  # German is shipped
    translated.write_bytes(catalogue({"_Neural Upscale x2…": "_Neuronal vergrößern x2…"}))
    model_server.announce(tmp_path)
    told = GimpSession.of(editor_host, tmp_path).run(
        """
procedure = Gimp.get_pdb().lookup_procedure(PROCEDURE)
answer("entry", [procedure.get_menu_label(), [path.rstrip("/") for path in procedure.get_menu_paths()]])
image, layer = picture(40, 30, "RGB")
status, made = upscale(image, output="enlarge")
answer("made", [status, image.get_width(), image.get_height()])
""",
        variables={"LANGUAGE": "de"},
    )
    assert told == {"entry": ["_Neuronal vergrößern x2…", ["<Image>/Filters"]], "made": ["success", 80, 60]}
