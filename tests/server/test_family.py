"""What lies between the files of a family: `detail` and `cleanup`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from server.errors import WrongParameter
from server.pipeline.model_key import ModelKey
from server.pipeline.model_store import ModelStore
from tests.server.in_process import save_compact

ENDINGS = ("faithful", "detailed", "clean", "clean-detailed")


def family_of(folder: Path, *endings: str) -> ModelStore:
    """Save small files, each of its own random parameters."""
    for ending in endings:
        save_compact(folder, f"compact-{ending}", seed=ENDINGS.index(ending))
    return ModelStore([folder])


def first_parameter(store: ModelStore, key: ModelKey) -> torch.Tensor:
    return next(iter(store.generator(key).parameters()))


@pytest.mark.parametrize(
    ("detail", "cleanup"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.3, 0.75), (1.0, 0.5)]
)
def test_a_family_is_interpolated_bilinearly_between_its_four_files(
    tmp_path: Path, detail: float, cleanup: float
) -> None:
    store = family_of(tmp_path, *ENDINGS)
    corners = [first_parameter(store, store.resolve(f"compact-{ending}")) for ending in ENDINGS]
    shares = ((1 - detail) * (1 - cleanup), detail * (1 - cleanup), (1 - detail) * cleanup, detail * cleanup)
    expected = sum((share * corner for share, corner in zip(shares, corners, strict=True)), torch.zeros(()))
    assert torch.allclose(first_parameter(store, store.resolve("compact", detail, cleanup)), expected, atol=1e-6)


def test_only_the_corners_that_are_needed_are_read(tmp_path: Path) -> None:
    store = family_of(tmp_path, *ENDINGS)
    assert [path.stem for path in store.resolve("compact", 0.0, 1.0).files] == ["compact-clean"]
    assert [path.stem for path in store.resolve("compact", 1.0, 0.5).files] == [
        "compact-detailed",
        "compact-clean-detailed",
    ]
    assert len(store.resolve("compact", 0.5, 0.5).files) == 4


@pytest.mark.parametrize(("asked", "used"), [(0.1, 0.0), (0.2, 0.25), (0.6, 0.5), (0.9, 1.0)])
def test_cleanup_is_rounded_to_five_values(tmp_path: Path, asked: float, used: float) -> None:
    assert family_of(tmp_path, *ENDINGS).resolve("compact", 0.5, asked).cleanup == used


def test_pictures_of_another_cleanup_share_no_batch(tmp_path: Path) -> None:
    store = family_of(tmp_path, *ENDINGS)
    assert store.resolve("compact", 0.5, 0.25) == store.resolve("compact", 0.5, 0.3)
    assert store.resolve("compact", 0.5, 0.25) != store.resolve("compact", 0.5, 0.5)


@pytest.mark.parametrize(
    ("endings", "missing"),
    [
        (("faithful", "detailed"), "compact-clean"),
        (("faithful", "detailed", "clean"), "compact-clean-detailed"),
        (("faithful", "clean-detailed"), "compact-clean"),
    ],
)
def test_a_family_without_a_partner_has_no_cleanup_and_asking_for_it_is_an_error(
    tmp_path: Path, endings: tuple[str, ...], missing: str
) -> None:
    store = family_of(tmp_path, *endings)
    assert not store.has_cleanup("compact")
    assert store.resolve("compact", 0.0, 0.0).cleanup is None
    with pytest.raises(WrongParameter, match=rf"no usable {missing} file, so its cleanup is 0, not 0.5"):
        store.resolve("compact", 0.0, 0.5)
    with pytest.raises(WrongParameter, match="takes no cleanup"):
        store.resolve("compact-faithful", None, 0.5)
    (told,) = (model for model in store.describe()["models"] if model["name"] == "compact")
    assert told["cleanup"] is None


def test_a_family_of_faithful_and_clean_takes_cleanup_but_no_detail(tmp_path: Path) -> None:
    store = family_of(tmp_path, "faithful", "clean")
    key = store.resolve("compact", None, 1.0)
    assert (key.detail, key.cleanup) == (0.0, 1.0)
    with pytest.raises(WrongParameter, match="no usable compact-detailed"):
        store.resolve("compact", 0.5, 1.0)


def test_the_models_tell_which_families_take_cleanup(tmp_path: Path) -> None:
    told = {model["name"]: model for model in family_of(tmp_path, *ENDINGS).describe()["models"]}
    assert told["compact"]["cleanup"] == {"lowest": 0.0, "highest": 1.0, "default": None}
    assert told["compact-clean"]["cleanup"] is None
