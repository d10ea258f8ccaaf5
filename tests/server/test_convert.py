"""Foreign files: what they enlarge to stays the same, and code in them is not run."""

from __future__ import annotations

import io
import json
import pickle
import resource
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

import weights
from server.cli.convert import main
from server.conversion.convert import Origin, convert
from server.conversion.halo import HALOS
from server.conversion.reading import CannotConvert, read_tensors
from server.pipeline.model_store import ModelStore
from tests.server.foreign_networks import save_foreign


def own(kind: str) -> weights.Generator:
    torch.manual_seed(0)
    config = {"features": 8, "layers": 3} if kind == "compact" else {"features": 8, "growth": 4, "blocks": 2}
    return weights.build_generator(kind, config).eval()


@pytest.mark.parametrize("kind", ["compact", "rrdb"])
def test_a_network_of_our_layout_gives_the_same_pixels(tmp_path: Path, kind: str) -> None:
    generator = own(kind)
    torch.save({"params_ema": generator.state_dict()}, tmp_path / "foreign.pth")
    (told,) = convert([tmp_path / "foreign.pth"], [tmp_path / "out" / "own.safetensors"], Origin(licence="MIT"))
    picture = torch.rand(1, 3, 20, 22)
    converted = weights.load_generator(tmp_path / "out" / "own.safetensors")
    with torch.inference_mode():
        assert torch.equal(weights.enlarge(converted.generator, picture), weights.enlarge(generator, picture))
    assert (told.licence, told.architecture) == ("MIT", kind)
    assert told.halo in (*HALOS, generator.receptive_radius)
    assert ModelStore([tmp_path / "out"]).resolve("own").halo == told.halo


@pytest.mark.slow
def test_a_pair_of_foreign_files_has_a_detail_slider(tmp_path: Path) -> None:
    sources = [save_foreign("MoSR", tmp_path / f"{seed}.pth", seed) for seed in (1, 2)]
    targets = [tmp_path / "models" / f"pair-{end}.safetensors" for end in ("faithful", "detailed")]
    convert(sources, targets, Origin(author="Somebody", link="https://example.org/pair"))
    store = ModelStore([tmp_path / "models"])
    (pair,) = [each for each in store.describe()["models"] if each["name"] == "pair"]
    assert (pair["author"], pair["link"], pair["kind"]) == ("Somebody", "https://example.org/pair", "enlargement")
    assert pair["detail"]["highest"] == 1.0
    ends = [next(iter(store.generator(store.resolve("pair", share)).parameters())) for share in (0.0, 0.5, 1.0)]
    assert torch.allclose(ends[1], (ends[0] + ends[2]) / 2)


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


def cyclic() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["params"] = found
    return found


def nested() -> Any:
    found: Any = torch.zeros(1)
    for _ in range(150):  # torch.save itself goes no deeper than some hundreds
        found = {"params": found}
    return found


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"body.999999999.weight": torch.zeros(8, 8, 3, 3)}, "numbers a layer 999999999"),
        ({"body.0.weight": torch.zeros(1).expand(1 << 15, 1 << 15)}, "expected a smaller network"),
        ({"transformer.weight": torch.zeros(3)}, "fits no architecture that is known"),
        (cyclic(), "no named tensors"),
        (nested(), "no named tensors"),
        ({}, "no named tensors"),
        ({"body.0.weight": torch.zeros(1).expand(4000, 4000, 3, 3)}, "expected every value in it"),
        ({"weight": torch.zeros(3).to_sparse()}, "no named tensors"),
        ({f"layers.{number}.weight": torch.zeros(1) for number in range(20_001)}, "20001 tensors"),
    ],
)
def test_what_is_no_known_network_is_one_sentence_and_writes_nothing(
    tmp_path: Path, tensors: Any, sentence: str
) -> None:
    torch.save(tensors, tmp_path / "foreign.pth")
    with pytest.raises((CannotConvert, weights.WeightsError), match=sentence):
        convert([tmp_path / "foreign.pth"], [tmp_path / "own.safetensors"], Origin())
    assert not (tmp_path / "own.safetensors").exists()


def archive(pickled: bytes) -> bytes:
    """Write a file as torch does, about a pickle made by hand."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        for name, contents in (("data.pkl", pickled), ("version", b"3\n"), ("byteorder", b"little")):
            written.writestr(f"archive/{name}", contents)
    return file.getvalue()


def header(text: bytes, length: int | None = None) -> bytes:
    """Write the beginning of a .safetensors; of another length than it announces, where one is given."""
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(8)


def tensor(shape: list[int], end: int, name: str = "weight") -> bytes:
    return header(json.dumps({name: {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}}).encode())


SECONDS = 15  # of a processor
DEEP = {
    "deep.pth": archive(b"\x80\x02" + 300_000 * b"]" + 299_999 * b"a" + b"."),
    "deep_key.pth": archive(b"\x80\x02})" + 200_000 * b"\x85" + b"K\x01s."),  # a key that is hashed level by level
    "deep_header.safetensors": header(b'{"__metadata__":' + 1_000_000 * b"["),
}
HOSTILE = {
    "huge_number.pth": archive(b"\x80\x02\x8b" + struct.pack("<i", 5_000_000) + 5_000_000 * b"\xff" + b"."),
    "long_text.pth": archive(b"\x80\x02X" + struct.pack("<I", 1 << 31) + b"abc."),
    "no_archive.pth": b"hello " * 100,
    "empty.pth": b"",
    "endless_header.safetensors": header(b"{}", 1 << 62),
    "beyond.safetensors": tensor([1 << 40], 1 << 42),
    "overflowing.safetensors": tensor([1 << 62, 1 << 62], 8),
    "cut.safetensors": tensor([4], 16),
    "numbered.safetensors": tensor([2], 8, "body.99999999.weight"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_with_a_sentence_within_seconds(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(HOSTILE[name])
    begun = time.process_time()
    with pytest.raises((CannotConvert, weights.WeightsError)) as caught:
        convert([tmp_path / name], [tmp_path / "own.safetensors"], Origin())
    assert str(caught.value).startswith(f"{name} ")
    assert "\n" not in str(caught.value)
    assert time.process_time() - begun < SECONDS


@pytest.mark.parametrize("name", DEEP)
def test_what_is_deep_enough_to_leave_the_stack_takes_only_its_own_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / name).write_bytes(DEEP[name])
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert main([str(tmp_path / name), "-o", str(tmp_path / "own.safetensors")]) == 1
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < SECONDS
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"neural-upscale convert: {name} ")
    assert not (tmp_path / "own.safetensors").exists()


def test_an_archive_that_unpacks_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("archive/data.pkl", bytes(1 << 20))
    contents = bytearray((tmp_path / "bomb.pth").read_bytes())
    place = contents.rindex(b"PK\x01\x02") + 24  # of the unpacked size in the list of contents
    contents[place : place + 4] = struct.pack("<I", (1 << 31) + 1)
    (tmp_path / "bomb.pth").write_bytes(contents)
    with pytest.raises(CannotConvert, match="unpacks to 2048 MiB"):
        read_tensors(tmp_path / "bomb.pth")


def test_a_file_cut_short_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(own("compact").state_dict(), tmp_path / "whole.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "whole.pth").read_bytes()[:2000])
    assert main([str(tmp_path / "cut.pth"), "-o", str(tmp_path / "own.safetensors")]) == 1
    assert "cut.pth is" in capsys.readouterr().err


def test_nothing_is_replaced_without_overwrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(own("compact").state_dict(), tmp_path / "foreign.pth")
    words = [str(tmp_path / "foreign.pth"), "-o", str(tmp_path / "own.safetensors")]
    assert main(words) == 0
    assert main(words) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0


def test_a_missing_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "no.pth"), "-o", str(tmp_path / "own.safetensors")]) == 1
    assert "There is no file" in capsys.readouterr().err
