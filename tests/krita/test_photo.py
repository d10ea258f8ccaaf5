"""A real photo through real Krita and the real server, beside the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.hosts.model_server import ModelServer
from tests.krita.krita_session import KritaSession

pytestmark = [pytest.mark.krita, pytest.mark.versions]


@pytest.fixture(scope="module")
def photo(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = sorted((shared / "photos").glob("*.jpg"))[0]
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    with Image.open(source) as opened:
        opened.convert("RGB").resize((321, 203), Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture(scope="module")
def told(krita: KritaSession, photo: Path) -> dict[str, Any]:
    (krita.work / "photo.png").write_bytes(photo.read_bytes())
    answers = krita.run("photo", opened="photo.png", parameters={"model": "fixed", "detail": 0.5}).answers()
    krita.keep_screenshots("krita-photo")
    return answers


def test_upscale_in_krita_gives_what_the_command_line_gives(
    told: dict[str, Any], krita: KritaSession, model_server: ModelServer, photo: Path
) -> None:
    assert told["size"] == [642, 406]
    after = np.frombuffer((krita.work / "after.bin").read_bytes(), np.uint8).reshape(406, 642, 4)
    program = "import sys; from server.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, str(photo), "-o", str(krita.work / "command-line.png")]
    environment = {**os.environ, "NEURAL_UPSCALE_RUNTIME": str(model_server.announce(krita.work))}
    subprocess.run([*command, "--model", "fixed", "--detail", "0.5"], check=True, env=environment, timeout=120)
    with Image.open(krita.work / "command-line.png") as opened:
        expected = np.asarray(opened.convert("RGB"))
    difference = np.abs(after[:, :, 2::-1].astype(int) - expected.astype(int))
    assert difference.max() <= 1, f"mean {difference.mean():.3f}, largest {difference.max()}"
    assert after[:, :, 3].min() == 255
    assert (krita.work / "shown.bin").read_bytes() == after.tobytes()


def test_the_new_layer_lies_above_the_hidden_original_and_is_chosen(told: dict[str, Any]) -> None:
    assert told["active"] == "Background x2"
    seen = [(name, visible) for name, _, visible, *_ in told["layers"]]
    assert seen == [("Background", False), ("Background x2", True)]


def test_one_undo_brings_the_photo_back_exactly(told: dict[str, Any]) -> None:
    assert told["undone"] == [321, 203]
    assert told["undone_exactly"]
    assert told["same_layers"]


def test_undone_at_once_the_document_still_has_an_active_layer(told: dict[str, Any]) -> None:
    assert told["active_after_undo"] == "Background"


def test_the_scripter_is_told_how_to_go_back_and_help_prints_usage(told: dict[str, Any]) -> None:
    assert "Undo once to go back." in told["printed"]
    assert "neural_upscale.upscale(" in told["printed"]
