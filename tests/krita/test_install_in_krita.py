"""The zip through Krita's own importer, and a session without a UTF-8 locale."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from plugin_krita.archive import build
from plugin_krita.kritarc import with_plugin
from tests.gimp.test_calls import catalogue
from tests.hosts.editor_host import EditorHost
from tests.hosts.model_server import ModelServer
from tests.krita.krita_session import KritaSession

pytestmark = [pytest.mark.krita, pytest.mark.versions]


def put_picture(work: Path) -> None:
    Image.radial_gradient("L").resize((40, 30)).convert("RGB").save(work / "small.png")


def test_the_zip_goes_through_kritas_importer_and_works_in_a_fresh_profile(
    editor_host: EditorHost, model_server: ModelServer, tmp_path: Path
) -> None:
    session = KritaSession.fresh(editor_host, tmp_path / "work", plugin=False)
    build(session.work / "neural-upscale-krita.zip")
    told = session.run("imported", parameters={"zip": "neural-upscale-krita.zip"}).answers()
    assert (told["imported"], told["titles"]) == (["neural_upscale"], ["Neural Upscale x2"])
    assert (session.resources / "actions" / "neural_upscale.action").is_file()
    assert (session.resources / "pykrita" / "neural_upscale" / "Manual.html").is_file()
    session.settings.write_text(with_plugin(session.settings.read_text(), "neural_upscale"))
    chosen = session.settings.with_name("kritashortcutsrc")  # what Configure Krita → Keyboard Shortcuts writes
    chosen.write_text("[Shortcuts]\nneural_upscale_x2=Ctrl+Alt+Shift+U\n")
    model_server.announce(session.work)
    put_picture(session.work)
    translated = session.resources / "pykrita/neural_upscale/locale/de/LC_MESSAGES/neural-upscale.mo"
    translated.parent.mkdir(parents=True, exist_ok=True)  # German is shipped
    translated.write_bytes(catalogue({"Undo once to go back.": "Einmal widerrufen."}))
    result = session.run("simple", opened="small.png", variables={"LANGUAGE": "de"}).answers()
    assert result["size"] == [80, 60]
    assert "Einmal widerrufen." in result["printed"]
    assert result["tip"].startswith("Enlarge with a neural network")
    assert result["shortcut"] == "Ctrl+Alt+Shift+U"


def test_it_works_without_a_utf_8_locale(krita: KritaSession, model_server: ModelServer) -> None:
    model_server.announce(krita.work)
    put_picture(krita.work)
    told = krita.run("simple", opened="small.png", environment="-u LC_ALL LANG=C PYTHONUTF8=0").answers()
    assert told["size"] == [80, 60]
    assert "utf-8" not in told["encodings"][1].lower()
    assert told["text"].replace("&", "") == "Neural Upscale x2…"
    assert "upscale(" in told["printed"]
    assert "from \\xd71 to \\xd78" in told["printed"]
