"""The CPU's two engines: Winograd from the first tile on, the same pixels on both, torch wherever Winograd fails."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import weights
from server.device import winograd_engine
from server.device.checked_engine import KEPT
from server.device.engine_choice import EngineChoice
from server.device.torch_engine import TorchEngine
from server.device.winograd_engine import WinogradEngine, measure_engines
from server.pipeline.model_store import ModelStore
from tests.server.in_process import UNTILED, bench, exact, photo_like, save_compact
from weights.winograd import building

pytestmark = pytest.mark.skipif(building.compiler() is None, reason="there is no C++ compiler")
TILES = np.random.default_rng(0).random((2, 3, 80, 70), dtype=np.float32)
SLOWER = {"torch": 1.0, "winograd": 2.0}


class Spoilt:
    """A network that repeats pixels, shifted by `shift`, and fails from its second run on where `fails`."""

    def __init__(self, shift: float = 0.0, fails: bool = False) -> None:
        self.shift, self.fails, self.runs = shift, fails, 0

    def __call__(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        self.runs += 1
        if self.fails and self.runs > 1:  # not yet when it is checked
            raise MemoryError("made up by the test")
        result: NDArray[np.float32] = tiles.repeat(2, axis=2).repeat(2, axis=3) + np.float32(self.shift)
        return result


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    save_compact(tmp_path, "compact-faithful", gain=0.0)  # adds nothing: the nearest-neighbour enlargement
    save_compact(tmp_path, "compact-detailed", gain=0.5, bias=0.02)
    weights.save_generator(
        weights.build_generator("espcn", {}),
        weights.WeightsMetadata("espcn", {}, weights.SCALE, halo=8, title="other"),
        tmp_path / "other.safetensors",
    )
    return ModelStore([tmp_path])


def engine_of(store: ModelStore, choice: EngineChoice | None = None) -> WinogradEngine:
    return WinogradEngine(store, TorchEngine(store, dtype="float32"), choice)


def running(engine: WinogradEngine) -> dict[str, str]:
    found: dict[str, str] = engine.describe()["engine"]["running"]
    return found


@pytest.mark.parametrize("detail", [0.0, 0.35, 0.5, 1.0])
def test_the_first_tile_of_every_detail_and_size_runs_on_winograd(store: ModelStore, detail: float) -> None:
    key = store.resolve("compact", detail)
    for tiles in (TILES[:, :, :40, :40], TILES):
        engine = engine_of(store)
        found = engine.run(key, np.ascontiguousarray(tiles))
        assert running(engine) == {f"compact@{detail}": "winograd"}
        assert engine._other.describe()["loaded"] == []
        assert np.abs(found - exact(store).run(key, np.ascontiguousarray(tiles))).max() <= 0.01 / 255


def test_a_picture_comes_out_the_same_on_both_engines(tmp_path: Path) -> None:
    save_compact(tmp_path, "compact-faithful", gain=0.5)
    found = []
    for make in (exact, engine_of):
        with bench(tmp_path, lambda store, make=make: [make(store)]) as one:  # type: ignore[misc]
            found.append(one.enlarge(photo_like(70, 90), "RGB", "f32", plan=UNTILED))
    assert np.abs(found[1] - found[0]).max() <= 0.01 / 255


def test_another_architecture_runs_on_torch_and_the_reason_is_told(store: ModelStore) -> None:
    engine, key = engine_of(store), store.resolve("other")
    engine.warm_up(key)
    assert np.array_equal(engine.run(key, TILES), exact(store).run(key, TILES))
    assert running(engine) == {}
    assert "espcn" in engine.describe()["engine"]["on_torch"]["other@None"]
    assert "other@None torch" in engine.describe()["plans"]


def test_without_a_compiler_torch_runs_everything(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    engine, key = engine_of(store), store.resolve()
    assert np.array_equal(engine.run(key, TILES), exact(store).run(key, TILES))
    assert "compiler" in engine.describe()["engine"]["on_torch"]["compact@0.5"]


@pytest.mark.parametrize("shift", [0.3 / 255, float("nan")])
def test_a_network_that_gives_other_pixels_is_refused(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch, shift: float
) -> None:
    monkeypatch.setattr(winograd_engine, "WinogradNetwork", lambda *_: Spoilt(shift))
    engine, key = engine_of(store), store.resolve("compact", 0.0)
    assert np.array_equal(engine.run(key, TILES), exact(store).run(key, TILES))
    assert "differs from torch" in engine.describe()["engine"]["on_torch"]["compact@0.0"]


def test_a_network_that_fails_on_a_tile_hands_over_to_torch_for_good(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Spoilt(fails=True)
    monkeypatch.setattr(winograd_engine, "WinogradNetwork", lambda *_: network)
    engine, key = engine_of(store), store.resolve("compact", 0.0)
    for _ in range(2):
        assert np.array_equal(engine.run(key, TILES), exact(store).run(key, TILES))
    assert network.runs == 2, "checked, failed, and not asked again"


def test_a_tile_that_is_not_finite_is_run_again_on_torch(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Spoilt()
    monkeypatch.setattr(winograd_engine, "WinogradNetwork", lambda *_: network)
    engine, key = engine_of(store), store.resolve("compact", 0.0)
    engine.warm_up(key)
    network.shift = float("inf")
    assert np.array_equal(engine.run(key, TILES), exact(store).run(key, TILES))
    assert running(engine) == {"compact@0.0": "winograd"}


def test_freed_memory_comes_back(store: ModelStore) -> None:
    engine, key = engine_of(store), store.resolve()
    before = engine.run(key, TILES)
    engine.free()
    assert running(engine) == {}
    assert np.array_equal(engine.run(key, TILES), before)


def test_only_a_few_generators_are_kept_ready(store: ModelStore) -> None:
    engine = engine_of(store)
    keys = [store.resolve("compact", detail / 20) for detail in range(1, 3 + KEPT)]
    for key in keys:
        engine.run(key, TILES[:1])
    assert len(running(engine)) == KEPT


def _choice(path: Path, seconds: dict[str, float], asked: list[int]) -> EngineChoice:
    def measure() -> dict[str, float]:
        asked.append(1)
        return seconds

    return EngineChoice(path, measure)


def test_the_slower_engine_is_not_used_and_is_measured_once_per_installation(store: ModelStore, tmp_path: Path) -> None:
    asked: list[int] = []
    key = store.resolve()
    for _ in range(2):
        engine = engine_of(store, _choice(tmp_path / "cache" / "engine.json", SLOWER, asked))
        engine.warm_up(key)
        assert running(engine) == {}
        assert engine.describe()["engine"]["seconds"] == SLOWER
    assert len(asked) == 1


@pytest.mark.parametrize(
    "text", ["", "[]", '{"seconds": 1}', '{"seconds": {"torch": "x"}}', "{", '{"seconds": {"torch": 1}}']
)
def test_a_measurement_that_is_spoilt_or_of_another_machine_is_made_again(tmp_path: Path, text: str) -> None:
    path, asked = tmp_path / "engine.json", list[int]()
    path.write_text(text, encoding="utf-8")
    assert _choice(path, SLOWER, asked).fastest() == "torch"
    assert len(asked) == 1
    assert json.loads(path.read_text(encoding="utf-8"))["seconds"] == SLOWER
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert _choice(tmp_path / "file" / "engine.json", SLOWER, []).fastest() == "torch"


def test_both_engines_are_measured_on_the_same_tiles() -> None:
    seconds = measure_engines()
    assert set(seconds) == {"torch", "winograd"}
    assert min(seconds.values()) > 0
