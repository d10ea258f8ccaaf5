"""A real photo through real Krita and the real server, beside the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.hosts.model_server import ModelServer
from tests.krita.krita_session import KritaSession

pytestmark = pytest.mark.krita


@pytest.fixture(scope="module")
def photo(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = sorted((shared / "photos").glob("*.jpg"))[0]
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    with Image.open(source) as opened:
        opened.convert("RGB").resize((321, 203), Image.Resampling.BICUBIC).save(path)
    return path


def test_upscale_in_krita_gives_what_the_command_line_gives(
    krita: KritaSession, model_server: ModelServer, photo: Path
) -> None:
    (krita.work / "photo.png").write_bytes(photo.read_bytes())
    told = krita.run("photo", opened="photo.png", wishes={"model": "fixed", "detail": 0.5})
    krita.keep_screenshots("krita-photo")
    assert told["size"] == [642, 406]
    after = np.frombuffer((krita.work / "after.bin").read_bytes(), np.uint8).reshape(406, 642, 4)
    program = "import sys; from server.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, str(photo), "-o", str(krita.work / "command.png")]
    environment = {**os.environ, "NEURAL_UPSCALE_RUNTIME": str(model_server.announce(krita.work))}
    subprocess.run([*command, "--model", "fixed", "--detail", "0.5"], check=True, env=environment, timeout=120)
    with Image.open(krita.work / "command.png") as opened:
        expected = np.asarray(opened.convert("RGB"))
    difference = np.abs(after[:, :, 2::-1].astype(int) - expected.astype(int))
    assert difference.max() <= 1, f"mean {difference.mean():.3f}, largest {difference.max()}"
    assert after[:, :, 3].min() == 255


def test_three_undos_bring_the_photo_back_and_the_new_layer_is_chosen(krita: KritaSession, photo: Path) -> None:
    (krita.work / "photo.png").write_bytes(photo.read_bytes())
    told = krita.run("photo", opened="photo.png", wishes={"model": "fixed"})
    assert told["active"] == "Background x2"
    assert [(name, visible) for name, _, visible, *_ in told["layers"]] == [
        ("Background", False), ("Background x2", True),
    ]  # fmt: skip
    assert told["undone"] == [321, 203]
    assert told["undone_exactly"]
    assert told["same_layers"]
    assert "neural_upscale.upscale(" in told["printed"]
