"""What the dialog makes of the server's list of models: which it offers, and which of its controls apply."""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).parents[2] / "plugin_gimp" / "neural_upscale"
LISTING = {
    "default": "compact",
    "models": [
        {
            "name": "compact",
            "usable": True,
            "detail": {"lowest": 0.0, "highest": 1.0, "default": 0.4},
            "licence": "MIT",
        },
        {"name": "compact-faithful", "usable": True, "detail": None},
        {"name": "compact-detailed", "usable": True, "detail": None},
        {"name": "other-faithful", "usable": True, "detail": None},
        {"name": "half", "usable": True, "detail": {"lowest": 0.0, "highest": 0.0, "default": 0.0}},
        {"name": "broken", "usable": False, "detail": None},
    ],
}


@contextmanager
def loaded_package() -> Iterator[str]:
    """Make the plug-in's package importable without what its __init__ does; yields the name."""
    for name, folder in (("gimp_plug_in", PACKAGE), ("gimp_plug_in.dialog", PACKAGE / "dialog")):
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    try:
        yield "gimp_plug_in"
    finally:
        for name in [each for each in sys.modules if each.startswith("gimp_plug_in")]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def plug_in() -> Iterator[Any]:
    """The plug-in's modules that know neither GIMP nor GTK."""
    with loaded_package() as name:
        yield types.SimpleNamespace(
            models=importlib.import_module(f"{name}.dialog.models"),
            settings=importlib.import_module(f"{name}.settings"),
        )


def test_a_pairs_single_files_are_not_offered_beside_their_slider(plug_in: Any) -> None:
    models = plug_in.models.Models.of(LISTING)
    assert models.offered() == ["compact", "other-faithful", "half"]
    assert "compact" in models.auto_text()


@pytest.mark.parametrize(
    ("name", "takes"), [("auto", True), ("compact", True), ("compact-faithful", False), ("half", False), ("new", True)]
)
def test_a_detail_applies_to_pairs_only_and_to_what_is_not_known_yet(plug_in: Any, name: str, takes: bool) -> None:
    assert plug_in.models.Models.of(LISTING).takes_detail(name) is takes


@pytest.mark.parametrize(
    ("model", "sent"), [("auto", 0.8), ("compact", 0.8), ("other-faithful", None), ("half", None), ("nowhere", 0.8)]
)
def test_a_detail_that_does_not_apply_is_not_sent(plug_in: Any, model: str, sent: float | None) -> None:
    assert plug_in.settings.Settings(model, 0.8, "new").fitting(LISTING).detail == sent
