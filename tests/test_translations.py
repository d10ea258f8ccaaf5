"""The texts and their translations: the template has them all, and so has every catalogue, compiled as shipped."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

import pytest

from server.plugins.install import package_files
from tests.import_graph import ROOT

PLUGINS = ["plugin_gimp", "plugin_krita"]
CATALOGUES = [(plugin, each.stem) for plugin in PLUGINS for each in (ROOT / plugin / "translations").glob("*.po")]
MNEMONIC = {"plugin_gimp": "_", "plugin_krita": "&"}
FIELDS = re.compile(r"\{[^}]*\}")


def marked(plugin: str) -> set[str]:
    """Return every text that a plug-in hands to `_`."""
    found = set()
    for path in (ROOT / plugin / "neural_upscale").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                found.add(ast.literal_eval(node.args[0]))
    return found


def messages(path: Path) -> dict[str, str]:
    """Return text → translation of a catalogue's source."""
    texts: dict[str, str] = {}
    for entry in path.read_text(encoding="utf-8").split("\n\n"):
        original, _, translation = entry.partition("\nmsgstr ")
        _, _, original = original.partition("msgid ")
        texts[_joined(original)] = _joined(translation)
    texts.pop("")
    return texts


def _joined(quoted: str) -> str:
    return "".join(str(ast.literal_eval(line)) for line in quoted.strip().splitlines())


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_template_has_every_text_of_the_plug_in(plugin: str) -> None:
    assert set(messages(ROOT / plugin / "translations" / "neural-upscale.pot")) == marked(plugin)


@pytest.mark.parametrize(("plugin", "language"), CATALOGUES)
def test_a_translation_is_complete_keeps_the_fields_and_is_shipped_compiled(plugin: str, language: str) -> None:
    translated = messages(ROOT / plugin / "translations" / f"{language}.po")
    assert set(translated) == marked(plugin)
    for text, translation in translated.items():
        assert translation, text
        assert sorted(FIELDS.findall(translation)) == sorted(FIELDS.findall(text))
        letter = MNEMONIC[plugin]
        assert translation.count(letter) == text.count(letter), f"the mnemonic of {text!r}"
    name = f"locale/{language}/LC_MESSAGES/neural-upscale.mo"
    with package_files(ROOT / plugin / "neural_upscale")[name].open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    assert {text: catalogue.gettext(text) for text in translated} == translated
