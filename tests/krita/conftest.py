"""Real Krita, with the plug-in installed and a real model server running."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from plugin_krita import installer
from tests.hosts.editor_host import EditorHost
from tests.hosts.model_server import ModelServer
from tests.krita.krita_session import KritaSession


@pytest.fixture(scope="session")
def krita(editor_host: EditorHost, model_server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> KritaSession:
    """A Krita with the plug-in, which finds the running server."""
    session = KritaSession.fresh(editor_host, tmp_path_factory.mktemp("krita") / "work")
    model_server.announce(session.work)
    return session


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The plug-in's package as it is installed, imported outside of Krita; for its modules without Qt."""
    folder: Path = tmp_path_factory.mktemp("resources") / "pykrita"
    installer.install(folder)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("neural_upscale")
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == "neural_upscale"]:
        del sys.modules[name]
