"""Which models there are, while files come, change and break."""

from __future__ import annotations

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
    parameters = [next(iter(store.generator(key).parameters())) for key in (before, after)]
    assert torch.equal(parameters[0], parameters[1])  # the old key names a file that holds the new contents


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


def test_auto_prefers_the_large_pair_only_where_the_device_is_fast(tmp_path: Path) -> None:
    save_compact(tmp_path, "compact-faithful")
    save_compact(tmp_path, "dilated-rrdb-faithful")
    save_compact(tmp_path, "anything")
    assert ModelStore([tmp_path]).resolve().name == "compact"
    assert ModelStore([tmp_path], fast=True).resolve().name == "dilated-rrdb"
