"""The trainer's command line: what it does without words, and on which device it computes."""

from __future__ import annotations

import pytest
import torch

from trainer.cli.arguments import automatic_device, device_of
from trainer.cli.main import main


def test_without_words_it_prints_what_can_be_done_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert "what can be done next" in printed
    for command in ("run PHOTOS", "evaluate WEIGHTS", "COMMAND --help"):
        assert f"python -m trainer {command}" in printed


@pytest.mark.parametrize("there", ["cuda", "mps", "xpu"])
def test_auto_takes_the_gpu_that_is_there(there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, backend in {"cuda": torch.cuda, "mps": torch.backends.mps, "xpu": torch.xpu}.items():
        monkeypatch.setattr(backend, "is_available", lambda name=name: name == there)
    assert automatic_device() == there


def test_auto_is_the_processor_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for backend in (torch.cuda, torch.backends.mps, torch.xpu):
        monkeypatch.setattr(backend, "is_available", lambda: False)
    assert device_of("auto") == torch.device("cpu")
