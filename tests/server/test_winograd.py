"""The engine in C++: torch's pixels for every size, number of threads and processor; what it says where it fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import weights
from server.device.winograd import network
from server.device.winograd.network import WinogradNetwork
from server.device.winograd.program import WinogradFault
from server.settings import cache_folder
from weights.winograd import building

SHIPPED = Path(weights.__file__).parent
PHOTO = Path(__file__).parents[2] / "docs" / "images" / "photo.jpg"


@pytest.fixture(autouse=True)
def _can_be_built() -> None:
    if building.compiler() is None:
        pytest.skip("there is no C++ compiler")


def test_winograd_agrees_with_torch_for_any_number_of_features_layers_and_threads() -> None:
    tile = np.random.default_rng(0).random((1, 3, 37, 150), dtype=np.float32)
    for features, layers, threads in ((5, 1, 1), (16, 3, 4), (48, 12, 2), (64, 2, 3)):
        torch.manual_seed(features)
        generator = weights.build_generator("compact", {"features": features, "layers": layers}).eval()
        with torch.inference_mode():
            exact = weights.enlarge(generator, torch.from_numpy(tile)).numpy()
        assert np.abs(WinogradNetwork(generator, threads)(tile) - exact).max() <= 0.01 / 255, features


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (90, 1), (6, 6), (13, 7), (12, 48), (97, 103)])
def test_winograd_gives_the_same_pixels_for_any_number_of_threads_and_any_size(size: tuple[int, int]) -> None:
    torch.manual_seed(7)
    generator = weights.build_generator("compact", {"features": 20, "layers": 13}).eval()
    tile = np.random.default_rng(7).random((1, 3, *size), dtype=np.float32)
    with torch.inference_mode():
        exact = weights.enlarge(generator, torch.from_numpy(tile)).numpy()
    single = WinogradNetwork(generator, 1)(tile)
    assert np.abs(single - exact).max() <= 0.01 / 255
    for threads in (2, 7):
        run = WinogradNetwork(generator, threads)
        for _ in range(5):
            assert np.array_equal(run(tile), single), f"{threads} threads"


@pytest.mark.parametrize(("flag", "needed"), [("-march=x86-64-v3", "avx2"), ("-march=x86-64", "sse2")])
def test_winograd_agrees_with_torch_on_processors_with_fewer_instructions(
    flag: str, needed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if f" {needed} " not in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        pytest.skip(f"this processor has no {needed}")
    monkeypatch.setattr(building, "_processor_flag", lambda: flag)
    torch.manual_seed(2)
    tile = np.random.default_rng(2).random((1, 3, 40, 70), dtype=np.float32)
    for features in (6, 48, 64):
        generator = weights.build_generator("compact", {"features": features, "layers": 2}).eval()
        with torch.inference_mode():
            exact = weights.enlarge(generator, torch.from_numpy(tile)).numpy()
        assert np.abs(WinogradNetwork(generator, 2)(tile) - exact).max() <= 0.01 / 255, features


@pytest.mark.parametrize("name", ["compact-faithful", "compact-detailed"])
def test_winograd_is_as_exact_with_the_shipped_weights_on_a_photo_as_the_documents_say(name: str) -> None:
    generator = weights.load_generator(SHIPPED / f"{name}.safetensors").generator
    photo = np.asarray(Image.open(PHOTO).convert("RGB"), np.float32)[:140, :180] / np.float32(255)
    tile = np.ascontiguousarray(photo.transpose(2, 0, 1)[None])
    with torch.inference_mode():
        exact = weights.enlarge(generator, torch.from_numpy(tile)).numpy()
    assert np.abs(WinogradNetwork(generator, 1)(tile) - exact).max() <= 0.002 / 255


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        ("this is no C++", 0o700, r"fails: "),
        ("", 0o777, "Others may write to .*, so nothing in it is run; delete it, and it is made anew"),
    ],
)
def test_what_cannot_be_built_is_said_in_a_sentence(
    content: str, mode: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "engine.cpp"
    source.write_text(content, encoding="utf-8")
    monkeypatch.setattr(network, "SOURCE", source)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache_folder().parent / "native"
    folder.mkdir(parents=True)
    folder.chmod(mode)
    with pytest.raises(WinogradFault, match=f"(?s){told}"):
        WinogradNetwork(weights.build_generator("compact", {"features": 4, "layers": 1}), 1)


def test_another_architecture_is_refused_by_name() -> None:
    with pytest.raises(WinogradFault, match="espcn"):
        WinogradNetwork(weights.build_generator("espcn", {}), 1)


def test_what_was_returned_is_not_overwritten_by_the_next_tile() -> None:
    run = WinogradNetwork(weights.build_generator("compact", {"features": 4, "layers": 1}).eval(), 1)
    first = run(np.zeros((1, 3, 20, 20), np.float32))
    kept = first.copy()
    run(np.ones((1, 3, 20, 20), np.float32))
    assert np.array_equal(first, kept)


def test_without_a_compiler_the_sentence_asks_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WinogradFault, match=r"there is no C\+\+ compiler; install one"):
        WinogradNetwork(weights.build_generator("compact", {"features": 4, "layers": 1}), 1)
