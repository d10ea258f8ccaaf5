"""Real GIMP, with the plug-in installed and a real model server running."""

from __future__ import annotations

import pytest

from tests.gimp.gimp_session import GimpSession
from tests.hosts.editor_host import EditorHost
from tests.hosts.model_server import ModelServer


@pytest.fixture(scope="session")
def gimp(editor_host: EditorHost, model_server: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> GimpSession:
    """A GIMP with the plug-in, which finds the running server."""
    session = GimpSession.fresh(editor_host, tmp_path_factory.mktemp("gimp"))
    model_server.announce(session.work)
    return session
