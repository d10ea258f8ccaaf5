"""Engines beside eager torch: the same pixels, taking over between pictures only, and no fault where one is missing."""

from __future__ import annotations

import importlib.util
import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import weights
from server.device import engine_choice as choice
from server.device import engine_forward as forward
from server.device import engine_trial as trial
from server.device import openvino_forward
from server.device.engine_forward import CANDIDATES, NEEDS, TORCH, EngineFault, Unavailable, available, build
from server.device.engine_record import Remembered, identity_of
from server.device.torch_engine import TorchEngine
from server.pipeline.model_store import ModelKey, ModelStore
from tests.server.in_process import UNTILED, bench, photo_like, save_compact

# torch.compile imports a module of torch's own that torch itself calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
LARGE = 1 << 20  # pixels of a picture that is no preview
PICTURE = photo_like(70, 90)


class Nearest:
    """An engine whose result is known: every pixel four times, and its own count of runs."""

    def __init__(self, shift: float = 0.0, fails: bool = False) -> None:
        self.shift, self.fails, self.runs = shift, fails, 0

    def __call__(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        self.runs += 1
        if self.fails and self.runs > 1:  # not yet when it is checked
            raise RuntimeError("made up by the test")
        time.sleep(0.0)
        enlarged: NDArray[np.float32] = tiles.repeat(2, axis=2).repeat(2, axis=3)
        return enlarged + np.float32(self.shift)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_compact(tmp_path, "compact-faithful", gain=0.0)  # adds nothing: the nearest-neighbour enlargement
    save_compact(tmp_path, "compact-detailed", gain=0.0, bias=0.02)
    return tmp_path


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "QUIET", 0.02)


def upscaler_with(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engines: dict[str, object], wanted: str = "auto"
) -> TorchEngine:
    """Make an engine that is offered engines made for the test."""

    def made(name: str, *_: object) -> object:
        found = engines[name]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(trial, "build", made)
    monkeypatch.setattr(choice, "available", lambda: list(engines))
    monkeypatch.setattr(choice, "missing", lambda name: "" if name in engines else f"{name} is not here")
    engine = TorchEngine(store)
    engine.offer_engines(wanted, tmp_path / "cache" / "engines.json")
    return engine


def settle(engine: TorchEngine, key: ModelKey) -> ModelKey:
    """Run a first picture, wait until the background is done, and give what a second one would use."""
    first = engine.prefer(key, LARGE)
    assert first.engine == TORCH, "the first picture runs on eager torch"
    side = 64 + 2 * key.halo
    engine.warm_up(first)
    engine.run(first, np.full((1, 3, side, side), 0.5, np.float32))
    until = time.monotonic() + 60
    while any(thread.name == "engines" for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)
    return engine.prefer(key, LARGE)


@pytest.mark.parametrize(
    "name", [pytest.param("compile", marks=pytest.mark.slow), "onnxruntime", "openvino", "winograd"]
)
def test_every_engine_gives_the_pixels_of_torch(name: str) -> None:
    if name not in available():
        pytest.skip(forward.missing(name))
    torch.manual_seed(3)
    generator = weights.build_generator("compact", {"features": 8, "layers": 2}).eval()
    run = build(name, generator, threads=1)
    sizes = [(1, 20, 36), (3, 33, 20), (1, 1, 1), (1, 7, 90), (1, 40, 40), (1, 40, 40), (1, 40, 40), (2, 40, 40)]
    for count, height, width in sizes:
        tiles = np.random.default_rng(height).random((count, 3, height, width), dtype=np.float32)
        with torch.inference_mode():
            exact = weights.enlarge(generator, torch.from_numpy(tiles)).numpy()
        found = run(tiles)
        assert found.dtype == np.float32
        assert found.shape == exact.shape
        assert np.abs(found - exact).max() <= 0.01 / 255


def test_a_size_that_comes_often_gets_its_own_form_and_rare_ones_do_not() -> None:
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("openvino is not installed")
    run = build("openvino", weights.build_generator("compact", {"features": 4, "layers": 1}).eval(), threads=1)
    own = run._own_size  # type: ignore[attr-defined]
    for side in range(16, 16 + openvino_forward.REMEMBERED + 5):
        run(np.zeros((1, 3, side, 20), np.float32))
    assert not own
    for side in range(30, 30 + 2 * openvino_forward.KEPT):
        run(np.zeros((openvino_forward.OFTEN + 1, 3, side, side), np.float32))
    assert len(own) == openvino_forward.KEPT


def test_what_was_returned_is_not_overwritten_by_the_next_tile() -> None:
    generator = weights.build_generator("compact", {"features": 4, "layers": 1}).eval()
    for name in [name for name in available() if name != "compile"]:
        run = build(name, generator, threads=1)
        first = run(np.zeros((1, 3, 20, 20), np.float32))
        kept = first.copy()
        run(np.ones((1, 3, 20, 20), np.float32))
        assert np.array_equal(first, kept), name


def test_a_missing_package_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert available() == []
    for name in CANDIDATES:
        with pytest.raises(Unavailable, match=r"pip install|compiler"):
            build(name, weights.build_generator("compact", {"features": 4, "layers": 1}), 1)
    assert set(NEEDS) == set(CANDIDATES)


@pytest.mark.parametrize("name", ["onnxruntime", "openvino", "winograd"])
def test_another_architecture_stays_on_torch(name: str) -> None:
    if name not in available():
        pytest.skip(forward.missing(name))
    with pytest.raises(Unavailable, match="espcn"):
        build(name, weights.build_generator("espcn", {}), 1)


def test_the_fastest_takes_over_from_the_second_picture_on_and_is_remembered(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore([folder])
    engines: dict[str, object] = {"openvino": Nearest(), "onnxruntime": EngineFault("made up by the test")}
    engine = upscaler_with(store, tmp_path, monkeypatch, engines)
    key = store.resolve("compact", 0.0)
    assert settle(engine, key) == replace(key, engine="openvino")
    told = engine.describe()["engine"]
    assert told["running"] == {"compact@0.0": "openvino"}
    assert set(told["measured"]["compact@0.0"]) == {TORCH, "openvino"}
    again = Nearest()
    second = upscaler_with(store, tmp_path, monkeypatch, {"openvino": again})
    assert settle(second, key).engine == "openvino"
    assert again.runs == 1, "checked, but not measured again"


def test_a_slower_engine_is_not_used_and_not_built_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore([folder])
    key = store.resolve("compact", 0.0)
    slow = Nearest()
    monkeypatch.setattr(time, "sleep", lambda seconds, wait=time.sleep: wait(seconds or 0.5))
    monkeypatch.setattr(trial, "ROUNDS", 1)
    monkeypatch.setattr(trial, "WARM_UPS", 0)
    assert settle(upscaler_with(store, tmp_path, monkeypatch, {"openvino": slow}), key).engine == TORCH
    runs = slow.runs
    assert settle(upscaler_with(store, tmp_path, monkeypatch, {"openvino": slow}), key).engine == TORCH
    assert slow.runs == runs


def test_an_engine_that_gives_other_pixels_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore([folder])
    key = store.resolve("compact", 0.0)
    for shift in (0.3 / 255, float("nan")):
        engine = upscaler_with(store, tmp_path, monkeypatch, {"openvino": Nearest(shift)}, wanted="openvino")
        assert settle(engine, key).engine == TORCH


def test_engines_are_held_against_float32_whatever_torch_computes_in(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore([folder])
    engine = upscaler_with(store, tmp_path, monkeypatch, {"openvino": Nearest()}, wanted="openvino")
    monkeypatch.setattr(engine, "run_eager", lambda key, tiles: tiles.repeat(2, 2).repeat(2, 3) + 1)
    assert settle(engine, store.resolve("compact", 0.0)).engine == "openvino"


def test_an_engine_that_fails_on_a_tile_hands_over_to_torch_for_good(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore([folder])
    key = store.resolve("compact", 0.0)
    engine = upscaler_with(store, tmp_path, monkeypatch, {"openvino": Nearest(fails=True)}, wanted="openvino")
    other = settle(engine, key)
    assert other.engine == "openvino"
    tiles = np.random.default_rng(0).random((1, 3, 80, 80), dtype=np.float32)
    assert np.allclose(engine.run(other, tiles), tiles.repeat(2, axis=2).repeat(2, axis=3), atol=1e-6)
    assert engine.prefer(key, LARGE).engine == TORCH


def test_previews_and_unusual_details_stay_on_eager_torch(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore([folder])
    engine = upscaler_with(store, tmp_path, monkeypatch, {"openvino": Nearest()}, wanted="openvino")
    key = store.resolve("compact", 0.0)
    settle(engine, key)
    assert engine.prefer(key, 200 * 200) == key
    unusual = store.resolve("compact", 0.85)
    for _ in range(2):
        assert engine.prefer(unusual, LARGE) == unusual
    assert not any(thread.name == "engines" for thread in threading.enumerate())


def test_freed_memory_is_built_again_and_a_picture_under_way_goes_on_with_torch(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore([folder])
    engine = upscaler_with(store, tmp_path, monkeypatch, {"openvino": Nearest()}, wanted="openvino")
    key = store.resolve("compact", 0.0)
    other = settle(engine, key)
    engine.free()
    tiles = np.full((1, 3, 80, 80), 0.25, np.float32)
    assert np.allclose(engine.run(other, tiles), 0.25, atol=1e-6)
    assert settle(engine, key).engine == "openvino"


def test_a_picture_comes_out_the_same_on_every_engine(folder: Path, tmp_path: Path) -> None:
    save_compact(folder, "compact-faithful", gain=0.5)
    found = []
    for engine in [TORCH, *(name for name in available() if name != "compile")]:
        with bench(folder) as plain:
            engine = plain.queue.engines[0]
            engine.offer_engines(engine, tmp_path / "engines.json")  # type: ignore[attr-defined]
            key = plain.key("compact", 0.0)
            if engine != TORCH:
                assert settle(engine, key).engine == engine  # type: ignore[arg-type]
                resolved = engine.prefer(key, LARGE)
                plain.key = lambda *_, resolved=resolved: resolved  # type: ignore[method-assign, misc]
            found.append(plain.enlarge(PICTURE, "RGB", "f32", plan=UNTILED, model="compact", detail=0.0))
    for other in found[1:]:
        assert np.abs(other - found[0]).max() <= 0.01 / 255


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"fastest": "/bin/sh"}}', "{"])
def test_a_spoilt_note_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "engines.json"
    path.write_text(text, encoding="utf-8")
    notes = Remembered(path)
    assert notes.fastest("a") is None
    notes.remember("a", "openvino", {TORCH: 2.0, "openvino": 1.0})
    assert notes.fastest("a") == "openvino"
    assert list(tmp_path.iterdir()) == [path]


def test_notes_stay_few(tmp_path: Path) -> None:
    notes = Remembered(tmp_path / "engines.json")
    for number in range(40):
        notes.remember(str(number), TORCH, {TORCH: 1.0})
    kept = json.loads((tmp_path / "engines.json").read_text(encoding="utf-8"))
    assert len(kept) == 32
    assert "39" in kept


def test_a_note_holds_for_its_parameters_precision_and_threads_only() -> None:
    def identities() -> Iterator[str]:
        for seed in (0, 1):
            torch.manual_seed(seed)
            generator = weights.build_generator("compact", {"features": 4, "layers": 1})
            yield identity_of(generator, "float32", 2)
        yield identity_of(generator, "bfloat16", 2)
        yield identity_of(generator, "float32", 4)

    assert len(set(identities())) == 4
