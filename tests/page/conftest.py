"""A browser and a server for all tests of the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hosts.editor_host import absent
from tests.hosts.model_server import ModelServer, serving
from tests.page.browser import Browser, browsing, obstacle, wait_until


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if reason := obstacle():
        absent(reason)
    with browsing(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture(scope="session")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def page(chromium: Browser, page_server: ModelServer) -> Browser:
    """The page, opened as `neural-upscale open` does, its models listed."""
    chromium.open("about:blank")
    chromium.messages()  # forget those of earlier tests
    chromium.open(f"{page_server.url}/#token={page_server.token}")
    # A server lists its models when torch is loaded, which takes a minute or more on a machine that is busy.
    wait_until(lambda: chromium.run("return document.querySelectorAll('#model option').length"), "the models", 240)
    for path in chromium.downloads.iterdir():
        path.unlink()
    return chromium


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small picture with structure at every scale."""
    import numpy as np
    from PIL import Image

    rows, columns = np.mgrid[0:90, 0:120]
    waves = [np.sin(rows / (3 + channel)) * np.cos(columns / (7 - channel)) for channel in range(3)]
    path = tmp_path / "waves.png"
    Image.fromarray(((np.stack(waves, -1) * 0.45 + 0.5) * 255).astype(np.uint8)).save(path)
    return path
