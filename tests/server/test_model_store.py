"""Which models there are, while files come, change and break."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from server.errors import BrokenModel, UnknownModel, WrongParameter
from server.pipeline.model_store import ModelStore
from tests.server.in_process import save_compact


def test_new_and_changed_files_are_seen_without_a_restart(tmp_path: Path) -> None:
    store = ModelStore([tmp_path])
    with pytest.raises(UnknownModel, match="no model at all"):
        store.resolve()
    save_compact(tmp_path, "compact-faithful", seed=1)
    before = store.resolve()
    save_compact(tmp_path, "compact-faithful", seed=2)
    after = store.resolve()
    assert before.name == after.name == "compact"
    assert before != after
    store.generator(after)
    with pytest.raises(BrokenModel, match="replaced just now; try again"):  # the old key names other contents
        store.generator(before)


def test_a_pair_answers_to_its_plain_name_and_detail_blends_it(tmp_path: Path) -> None:
    save_compact(tmp_path, "compact-faithful", seed=1)
    save_compact(tmp_path, "compact-detailed", seed=2)
    store = ModelStore([tmp_path])
    ends = [
        next(iter(store.generator(store.resolve(f"compact-{end}")).parameters())) for end in ("faithful", "detailed")
    ]
    middle = next(iter(store.generator(store.resolve("compact", 0.5)).parameters()))
    assert torch.allclose(middle, (ends[0] + ends[1]) / 2, atol=1e-6)
    assert store.resolve("compact", 0.33).detail == pytest.approx(0.35)
    assert store.resolve("compact", 0.0).files == store.resolve("compact-faithful").files


def test_without_its_partner_a_pair_is_faithful_and_asking_for_more_is_an_error(tmp_path: Path) -> None:
    save_compact(tmp_path, "compact-faithful")
    store = ModelStore([tmp_path])
    assert store.resolve("auto").detail == 0
    with pytest.raises(WrongParameter, match=r"no usable compact-detailed"):
        store.resolve("compact", 0.5)
    with pytest.raises(WrongParameter, match="takes no detail"):
        store.resolve("compact-faithful", 0.5)


def test_partners_of_different_shape_are_no_pair(tmp_path: Path) -> None:
    import weights

    save_compact(tmp_path, "compact-faithful")
    other = weights.build_generator("compact", {"features": 8, "layers": 2})
    weights.save_generator(
        other, weights.WeightsMetadata("compact", {}, 2, halo=4), tmp_path / "compact-detailed.safetensors"
    )
    assert ModelStore([tmp_path]).resolve("compact").detail == 0


@pytest.mark.parametrize("fault", ["truncated", "empty", "foreign", "folder"])
def test_a_broken_file_is_reported_and_hurts_nobody_else(tmp_path: Path, fault: str) -> None:
    path = save_compact(tmp_path, "broken")
    save_compact(tmp_path, "compact-faithful")
    contents = path.read_bytes()
    if fault == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"truncated": contents[:100], "empty": b"", "foreign": b"PK\3\4" + bytes(100)}[fault])
    store = ModelStore([tmp_path])
    told = store.describe()
    assert [each["name"] for each in told["broken"]] == ["broken"]
    assert told["broken"][0]["message"]
    assert told["default"] == "compact"
    with pytest.raises(BrokenModel, match="broken cannot be used"):
        store.resolve("broken")


def test_a_file_with_a_wrong_hash_is_found_when_it_is_loaded(tmp_path: Path) -> None:
    path = save_compact(tmp_path, "compact-faithful")
    contents = bytearray(path.read_bytes())
    contents[-1] ^= 1
    path.write_bytes(contents)
    store = ModelStore([tmp_path])
    with pytest.raises(BrokenModel, match=r"cannot be used.*SHA-256"):
        store.generator(store.resolve())


def test_only_the_last_four_generators_are_kept(tmp_path: Path) -> None:
    save_compact(tmp_path, "compact-faithful", seed=1)
    save_compact(tmp_path, "compact-detailed", seed=2)
    store = ModelStore([tmp_path])
    keys = [store.resolve("compact", detail) for detail in np.arange(0.1, 0.75, 0.1)]
    generators = [store.generator(key) for key in keys]
    assert store.generator(keys[-1]) is generators[-1]
    assert store.generator(keys[-4]) is generators[-4]
    assert store.generator(keys[0]) is not generators[0]


def test_auto_takes_the_largest_pair_whatever_its_name_where_the_device_is_fast(tmp_path: Path) -> None:
    save_compact(tmp_path, "compact-faithful")
    save_compact(tmp_path, "anything")
    save_compact(tmp_path, "again-faithful")  # of the same size
    assert ModelStore([tmp_path], fast=True).resolve().name == "compact"
    save_compact(tmp_path, "mine-faithful", features=48)
    assert ModelStore([tmp_path], fast=True).resolve().name == "mine"
    assert ModelStore([tmp_path]).resolve().name == "compact"


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "deep": lambda _: b'{"__metadata__": ' + b"[" * 200_000,
    "infinite": lambda header: re.sub(rb'"data_offsets":\[\d+,\d+\]', b'"data_offsets":[0,1e999]', header),
    "numbers": lambda header: header.replace(b'"modelspec.title":"compact-faithful"', b'"modelspec.title":7'),
    "huge": lambda header: header.replace(b'"metrics":"{}"', b'"metrics":"{\\"default_detail\\":1e999}"'),
    "list": lambda _: b"[[[]]]",
}


@pytest.mark.parametrize("kind", [*HOSTILE, "pipe"])
def test_a_hostile_file_is_listed_with_the_reason_and_matters_to_no_other(tmp_path: Path, kind: str) -> None:
    sound = save_compact(tmp_path, "compact-faithful").read_bytes()
    path = tmp_path / f"{kind}.safetensors"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        (length,) = struct.unpack("<Q", sound[:8])
        header = HOSTILE[kind](sound[8 : 8 + length])
        assert header != sound[8 : 8 + length]
        path.write_bytes(struct.pack("<Q", len(header)) + header + sound[8 + length :])
    store = ModelStore([tmp_path])
    assert store.resolve().name == "compact"
    told = store.describe()
    assert [each["name"] for each in told["broken"]] == [kind]
    assert kind in told["broken"][0]["message"]
    with pytest.raises(BrokenModel, match="cannot be used"):
        store.resolve(kind)


@pytest.mark.parametrize("name", ["a\nb", "auto", "x" * 101, "a..b", "q?a", "\udcff"])
def test_a_file_whose_name_can_be_no_models_name_is_not_chosen(tmp_path: Path, name: str) -> None:
    save_compact(tmp_path, "plain").rename(tmp_path / f"{name}.safetensors")
    store = ModelStore([tmp_path])
    assert store.describe()["default"] is None
    assert "rename it" in store.describe()["broken"][0]["message"]
    with pytest.raises(UnknownModel, match="no model at all"):
        store.resolve()


def test_a_file_that_breaks_when_it_is_loaded_is_no_longer_the_default(tmp_path: Path) -> None:
    path = save_compact(tmp_path, "compact-faithful")
    save_compact(tmp_path, "other-faithful")
    contents = bytearray(path.read_bytes())
    contents[-1] ^= 1
    path.write_bytes(contents)
    store = ModelStore([tmp_path])
    with pytest.raises(BrokenModel, match="SHA-256"):
        store.generator(store.resolve())
    assert store.resolve().name == "other"
    assert [each["name"] for each in store.describe()["broken"]] == ["compact-faithful"]
    save_compact(tmp_path, "compact-faithful", seed=5)
    assert store.resolve().name == "compact"
