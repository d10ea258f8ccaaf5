"""Foreign files: what they enlarge to stays the same, and code in them is not run."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

import weights
from server.cli.convert import HALOS, CannotConvert, convert, main, read_tensors
from server.pipeline.model_store import ModelStore


def foreign(kind: str) -> weights.Generator:
    torch.manual_seed(0)
    config = {"features": 8, "layers": 3} if kind == "compact" else {"features": 8, "growth": 4, "blocks": 2}
    return weights.build_generator(kind, config).eval()


def old_names(name: str) -> str:
    """Name a key as ESRGAN's first files do."""
    parts = name.split(".")
    if parts[0] == "body":
        return f"model.1.sub.{parts[1]}.{parts[2].upper()}.{parts[3]}.0.{parts[4]}"
    numbers = {
        "conv_first": "0",
        "conv_body": "1.sub.2",
        "conv_up1": "3",
        "conv_up2": "6",
        "conv_hr": "8",
        "conv_last": "10",
    }
    return f"model.{numbers[parts[0]]}.{parts[1]}"


@pytest.mark.parametrize("kind", ["compact", "rrdb", "rrdb with old names"])
def test_a_converted_network_gives_the_same_pixels(tmp_path: Path, kind: str) -> None:
    generator = foreign(kind.split()[0])
    state = generator.state_dict()
    if "old" in kind:
        state = {old_names(name): tensor for name, tensor in state.items()}
    torch.save({"params_ema": state}, tmp_path / "foreign.pth")
    told = convert(tmp_path / "foreign.pth", tmp_path / "out" / "own.safetensors", "BSD-3-Clause")
    picture = torch.rand(1, 3, 20, 22)
    converted = weights.load_generator(tmp_path / "out" / "own.safetensors")
    with torch.inference_mode():
        assert torch.equal(weights.enlarge(converted.generator, picture), weights.enlarge(generator, picture))
    assert told.licence == "BSD-3-Clause"
    assert told.halo in (*HALOS, generator.receptive_radius)
    assert ModelStore([tmp_path / "out"]).resolve("own").halo == told.halo


class Evil:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"params": Evil(tmp_path / "owned")}, protocol=2))
    with pytest.raises(CannotConvert, match="not a file of tensors alone"):
        read_tensors(tmp_path / "evil.pth")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        (
            {"conv_first.weight": torch.zeros(8, 3, 3, 3), "body.0.rdb1.conv1.weight": torch.zeros(4, 8, 3, 3)},
            "takes 3 ch",
        ),
        ({"body.0.weight": torch.zeros(8, 3, 3, 3), "body.6.weight": torch.zeros(48, 8, 3, 3)}, "48 output channels"),
        ({"body.0.weight": torch.zeros(8, 3, 3, 3), "body.6.weight": torch.zeros(12, 8, 3, 3)}, "does not fit compact"),
        ({"transformer.weight": torch.zeros(3)}, "has keys such as 'transformer.weight'"),
        ({}, "no named tensors"),
    ],
)
def test_what_is_no_known_network_is_one_sentence_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tensors: dict[str, torch.Tensor], sentence: str
) -> None:
    torch.save(tensors, tmp_path / "foreign.pth")
    assert main([str(tmp_path / "foreign.pth"), "-o", str(tmp_path / "own.safetensors")]) == 1
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "own.safetensors").exists()


def test_nothing_is_replaced_without_overwrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(foreign("compact").state_dict(), tmp_path / "foreign.pth")
    words = [str(tmp_path / "foreign.pth"), "-o", str(tmp_path / "own.safetensors")]
    assert main(words) == 0
    assert main(words) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "no.pth"), "-o", str(tmp_path / "own.safetensors")]) == 1
    assert "There is no file" in capsys.readouterr().err
