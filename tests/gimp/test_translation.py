"""The texts and their translations: the template has them all, and so has every catalogue, compiled as shipped."""

from __future__ import annotations

import ast
import gettext
import re
from pathlib import Path

import pytest

from plugin_gimp.installer import HERE, PACKAGE, plugin_files

TRANSLATIONS = HERE / "translations"
LANGUAGES = sorted(each.stem for each in TRANSLATIONS.glob("*.po"))
FIELDS = re.compile(r"\{[^}]*\}")


def marked() -> set[str]:
    """Return every text that the plug-in hands to `_`."""
    found = set()
    for path in (HERE / PACKAGE).rglob("*.py"):
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


def test_the_template_has_every_text_of_the_plug_in() -> None:
    assert set(messages(TRANSLATIONS / "neural-upscale.pot")) == marked()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_is_complete_keeps_the_fields_and_is_shipped_compiled(language: str) -> None:
    translated = messages(TRANSLATIONS / f"{language}.po")
    assert set(translated) == marked()
    for text, translation in translated.items():
        assert translation, text
        assert sorted(FIELDS.findall(translation)) == sorted(FIELDS.findall(text))
        assert translation.count("_") == text.count("_"), f"the mnemonic of {text!r}"
    name = f"locale/{language}/LC_MESSAGES/neural-upscale.mo"
    with plugin_files()[f"neural-upscale/{PACKAGE}/{name}"].open("rb") as file:
        catalogue = gettext.GNUTranslations(file)
    assert {text: catalogue.gettext(text) for text in translated} == translated
