"""What the programs print in the code pages of Windows, piped: letters that are lacking are escaped, never refused."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

import weights
from server.cli import main
from server.cli.subcommands import SUBCOMMANDS
from tests.hosts.model_server import ModelServer, serving
from trainer.cli import main as trainer

ROOT = Path(__file__).parents[2]
TRAINER = ("run", "slice", "train", "evaluate", "export", "demo")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with serving(tmp_path_factory.mktemp("code-pages")) as running:
        yield running


def piped_help(main: Callable[[list[str]], int], words: list[str], encoding: str) -> bytes:
    """Return what `--help` prints into a pipe of that encoding."""
    piped = io.TextIOWrapper(io.BytesIO(), encoding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", piped)
        with pytest.raises(SystemExit, match="0"):
            main([*words, "--help"])
    piped.seek(0)
    return piped.buffer.read()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_every_help_text_can_be_piped(encoding: str) -> None:
    for name in SUBCOMMANDS:
        assert piped_help(main, [name], encoding).startswith(b"usage: neural-upscale")
    for name in TRAINER:
        assert b"usage: " in piped_help(trainer.main, [name], encoding)
    assert rb"\xd72" in piped_help(main, [], "ascii")


@pytest.mark.slow
def test_the_sub_commands_run_in_an_old_code_page_beside_another_ones_server_py(
    server: ModelServer, tmp_path: Path
) -> None:
    (tmp_path / "server.py").write_text("raise SystemExit('foreign')")
    Image.effect_noise((40, 30), 50).convert("RGB").save(tmp_path / "фото.png")
    torch.save(weights.build_generator("compact", {"features": 8, "layers": 3}).state_dict(), tmp_path / "сеть.pth")
    environment = {
        **os.environ, "PYTHONIOENCODING": "ascii", "HOME": str(tmp_path), "NEURAL_UPSCALE_RUNTIME": str(server.runtime),
        "XDG_CACHE_HOME": str(server.log.parent / "cache"),
    }  # fmt: skip
    for line in (
        "фото.png -v --model fixed", "models", "convert сеть.pth -o другая.safetensors",
        "install gimp --to plug-ins", "doctor", "нет.png",
        "stop",
    ):  # fmt: skip
        command = [sys.executable, str(ROOT / "neural_upscale_cli.py"), *line.split()]
        done = subprocess.run(command, capture_output=True, cwd=tmp_path, timeout=120, check=False, env=environment)
        told = done.stdout + done.stderr
        assert done.returncode == (1 if line == "нет.png" else 0), told
        assert told.isascii()
        assert not any(word in told for word in (b"Traceback", b"UnicodeEncodeError", b"foreign")), told
