"""Real GIMP with a server on a Vulkan device: the pixels are those of a server on torch."""

from __future__ import annotations

import os
from pathlib import Path

import numpy
import pytest

from server.device.vulkan.devices import vulkan_devices
from tests.gimp.gimp_session import GimpSession
from tests.hosts.editor_host import EditorHost
from tests.hosts.model_server import ModelServer, serving

pytestmark = pytest.mark.gimp
SCRIPT = """
image, layer = picture(70, 50)
keep("before.raw", pixels(layer))
status, made = upscale(image, model="fixed-faithful", output="new")
assert status == "success", made
keep("after.raw", pixels(made.get_layers()[0]))
"""


@pytest.mark.skipif(
    not vulkan_devices() and os.environ.get("CI") != "true",
    reason="no Vulkan device: mesa-vulkan-drivers and the extra",
)
def test_a_layer_comes_back_as_from_torch(editor_host: EditorHost, model_server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "gimp").mkdir()
    session = GimpSession.fresh(editor_host, tmp_path / "gimp")
    with serving(tmp_path, "--device", "vulkan") as server:
        server.announce(session.work)
        session.run(SCRIPT)
        assert server.get("/v1/status")["devices"][0]["engine"]["running"] == {"fixed-faithful@None": "vulkan"}
    expected = model_server.upscale(session.kept("before.raw"), 70, 50, "RGB", "u8", model="fixed-faithful")
    found = numpy.frombuffer(session.kept("after.raw"), numpy.uint8).astype(int)
    assert numpy.abs(found - numpy.frombuffer(expected, numpy.uint8)).max() <= 1
