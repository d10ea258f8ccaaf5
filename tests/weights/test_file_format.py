"""Weights files: written and read back, and one error for every rule that can be broken."""

import json
import os
import resource
import struct
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from weights import (
    BrokenWeightsFile,
    HashMismatch,
    InvalidMetadata,
    KeyMismatch,
    NotAWeightsFile,
    ShapeMismatch,
    UnknownArchitecture,
    UnknownFormat,
    WeightsMetadata,
    build_generator,
    load_generator,
    read_metadata,
    save_generator,
)

CONFIG = {"features": 4, "narrow_features": 2}
METADATA = WeightsMetadata("", {}, 0, 4, title="Tiny – für Tests", metrics={"Set5": {"generator": 37.5}})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    file = tmp_path / "tiny.safetensors"
    save_generator(build_generator("espcn", CONFIG), METADATA, file)
    return file


def header_of(path: Path) -> tuple[dict[str, object], bytes]:
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def rewrite(path: Path, **entries: Any) -> None:
    header, section = header_of(path)
    metadata = header["__metadata__"]
    assert isinstance(metadata, dict)
    metadata |= entries
    header["__metadata__"] = {name: value for name, value in metadata.items() if value is not None}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + section)


def test_a_file_rebuilds_its_generator(path: Path) -> None:
    torch.manual_seed(3)
    original = build_generator("espcn", CONFIG)
    loaded = load_generator(path)
    assert loaded.generator.config == original.config
    assert all(torch.equal(a, b) for a, b in zip(loaded.generator.parameters(), original.parameters(), strict=True))
    assert not loaded.generator.training
    assert loaded.metadata.title == METADATA.title
    assert loaded.metadata.metrics == METADATA.metrics
    assert (loaded.metadata.architecture, loaded.metadata.scale, loaded.metadata.halo) == ("espcn", 2, 4)


def test_the_header_alone_can_be_read(path: Path) -> None:
    assert read_metadata(path) == load_generator(path).metadata


def test_writing_twice_gives_the_same_header_and_tensors(path: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.safetensors"
    save_generator(load_generator(path).generator, METADATA, again)
    assert header_of(again) == header_of(path)


def test_the_format_is_what_docs_say_to_the_byte(tmp_path: Path) -> None:
    generator = build_generator("espcn", {"features": 1, "narrow_features": 1})
    for parameter in generator.parameters():
        torch.nn.init.constant_(parameter, 0.5)
    file = tmp_path / "golden.safetensors"
    save_generator(generator, WeightsMetadata("", {}, 0, 4), file)
    header, section = header_of(file)
    assert section == struct.pack("<f", 0.5) * (75 + 1 + 9 + 1 + 108 + 12)
    assert header["__metadata__"] == {
        "format": "1",
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": "espcn",
        "modelspec.title": "",
        "modelspec.author": "",
        "modelspec.license": "",
        "modelspec.date": "",
        "modelspec.description": "",
        "modelspec.hash_sha256": "0x8deba5cd5474a75f7a602a029616f30b5adc78bfcfcaf97707344776681ab84d",
        "config": '{"features": 1, "narrow_features": 1}',
        "scale": "2",
        "halo": "4",
        "provenance": "{}",
        "metrics": "{}",
    }


def test_half_precision_in_the_file_is_float32_when_loaded(tmp_path: Path) -> None:
    file = tmp_path / "half.safetensors"
    save_generator(build_generator("espcn", CONFIG), METADATA, file, torch.float16)
    assert file.stat().st_size < 4000
    assert {parameter.dtype for parameter in load_generator(file).generator.parameters()} == {torch.float32}


@pytest.mark.parametrize("kept", [0, 5, 300, -1])
def test_a_file_cut_short_is_no_weights_file(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    for reads in (load_generator, read_metadata):
        with pytest.raises(NotAWeightsFile, match="copy it again"):
            reads(path)


@pytest.mark.parametrize("content", [b"\x80\x04\x95" + b"pickle" * 50, b"PNG" * 99, struct.pack("<Q", 4) + b"nope"])
def test_another_kind_of_file_is_no_weights_file(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(NotAWeightsFile, match=r"expected .*; (choose|copy)"):
        load_generator(path)


def test_a_changed_tensor_breaks_the_hash(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(HashMismatch, match="changed or damaged"):
        load_generator(path)


def test_a_foreign_safetensors_file_is_of_unknown_format(path: Path) -> None:
    safetensors.torch.save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(UnknownFormat, match="neural-upscale convert"):
        load_generator(path)


def test_a_newer_format_is_refused(path: Path) -> None:
    rewrite(path, format="2")
    with pytest.raises(UnknownFormat, match="update this program"):
        load_generator(path)


def test_an_architecture_of_the_future_is_refused(path: Path) -> None:
    rewrite(path, **{"modelspec.architecture": "mamba"})
    with pytest.raises(UnknownArchitecture, match="mamba"):
        load_generator(path)


@pytest.mark.parametrize(
    ("entry", "value"),
    [("halo", None), ("halo", "-1"), ("halo", "x"), ("config", "[1]"), ("config", "{"), ("scale", None)],
)
def test_unreadable_metadata_is_named(path: Path, entry: str, value: str | None) -> None:
    rewrite(path, **{entry: value})
    with pytest.raises(InvalidMetadata, match="export it again"):
        load_generator(path)


def test_foreign_and_missing_tensors_are_named(path: Path) -> None:
    header, section = header_of(path)
    header["stranger"] = header.pop("head.bias")
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + section)
    with pytest.raises(KeyMismatch, match=r"lacks head\.bias and has the foreign stranger"):
        load_generator(path)


def test_tensors_of_another_size_are_named(path: Path) -> None:
    rewrite(path, config='{"features": 5, "narrow_features": 2}')
    with pytest.raises(ShapeMismatch, match=r"\(4, 3, 5, 5\).*\(5, 3, 5, 5\)"):
        load_generator(path)


def test_every_rule_has_an_error_of_its_own() -> None:
    assert {kind.__name__ for kind in BrokenWeightsFile.__subclasses__()} == {
        "NotAWeightsFile",
        "UnknownFormat",
        "InvalidMetadata",
        "HashMismatch",
        "KeyMismatch",
        "ShapeMismatch",
        "NotANetwork",
        "MissingLibrary",
    }


def test_a_failed_write_keeps_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        save_generator(build_generator("espcn", CONFIG), METADATA, path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("config", '{"a":' + "[" * 200_000), ("config", '{"features": "4"}'), ("config", '{"features": true}'),
        ("config", json.dumps({f"f{number}": 1 for number in range(65)})),
        ("halo", "513"), ("halo", "9" * 5000), ("scale", "1e9"),
        ("metrics", '{"B100": {"generator": Infinity}}'), ("metrics", '{"B100": {"generator": 1e999}}'),
        ("metrics", '{"B100": {"generator": "31"}}'), ("metrics", '{"default_detail": "x"}'),
        ("metrics", '{"default_detail": ' + "9" * 400 + "}"), ("provenance", "[" * 200_000),
        ("modelspec.title", "x" * 201), ("modelspec.title", "\x1b[2J"), ("modelspec.architecture", "a\nb"),
        ("modelspec.title", 4), ("modelspec.license", ["MIT"]), ("halo", 4), ("config", {"features": 4}),
    ],
)  # fmt: skip
def test_metadata_of_another_type_or_beyond_its_range_is_named(path: Path, entry: str, value: Any) -> None:
    rewrite(path, **{entry: value})
    for reads in (load_generator, read_metadata):
        with pytest.raises(InvalidMetadata, match="export it again"):
            reads(path)


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 300_000, b"[]", b"7", b'{"a": 1}', b'{"a": {"shape": [1], "data_offsets": [0, Infinity]}}',
        b'{"a": {"shape": [1], "data_offsets": [0, 1e999]}}', b'{"a": {"shape": ["1"], "data_offsets": [0, 4]}}',
        b'{"a": {"shape": [1], "data_offsets": [0]}}', b'{"a": {"shape": [-1], "data_offsets": [0, 4]}}',
        b'{"a": {"shape": [true], "data_offsets": [0, 4]}}', b'{"a": {"data_offsets": [0, 4]}}', b"\xff\xfe{}",
        b'{"a": {"shape": [1], "data_offsets": [0, ' + b"9" * 5000 + b"]}}",
    ],
)  # fmt: skip
def test_a_header_of_another_form_is_no_weights_file(path: Path, header: bytes) -> None:
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    for reads in (load_generator, read_metadata):
        with pytest.raises(NotAWeightsFile, match="choose another file"):
            reads(path)


@pytest.mark.parametrize("config", [{"features": 4096, "narrow_features": 4096}, {"features": 10**9}])
def test_a_network_is_not_built_before_its_shapes_are_those_of_the_file(path: Path, config: dict[str, int]) -> None:
    """The one asked for here would take gigabytes."""
    rewrite(path, config=json.dumps(config))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ShapeMismatch, match="export it again"):
        load_generator(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_a_layer_count_that_the_tensors_do_not_bear_out_builds_nothing(path: Path) -> None:
    rewrite(path, **{"modelspec.architecture": "compact", "config": '{"layers": 1000000000}'})
    with pytest.raises(ShapeMismatch, match="1000000000"):
        load_generator(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_a_device_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "zero.safetensors").symlink_to("/dev/zero")
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("pipe", "zero", "folder"):
        for reads in (load_generator, read_metadata):
            with pytest.raises(NotAWeightsFile, match="no regular file"):
                reads(tmp_path / f"{name}.safetensors")
