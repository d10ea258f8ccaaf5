"""What every folder of tests may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.hosts.editor_host import BUILD_SECONDS, editor_host
from tests.hosts.model_server import model_server

__all__ = ["editor_host", "model_server"]

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the project with photos and benchmarks; they are not part of the project."""
    if not SHARED.is_dir():
        reason = "../shared (photos, benchmarks, feature networks) is not here"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return SHARED


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Allow the test that happens to build the editors' system the time for it."""
    for item in items:
        if "editor_host" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(BUILD_SECONDS + 300))
