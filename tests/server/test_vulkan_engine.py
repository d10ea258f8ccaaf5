"""The Vulkan engine on Mesa's software device: torch's pixels, and the CPU wherever the device fails."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import torch
from numpy.typing import NDArray

import weights
from server.device import devices, vulkan_engine
from server.device.checked_engine import CPU, KEPT
from server.device.devices import build_engines, found_devices, unused_card
from server.device.halves import run_in_halves
from server.device.torch_engine import run_generator
from server.device.vulkan.devices import VulkanDevice, has_ncnn, vulkan_devices
from server.device.vulkan.network import VulkanNetwork
from server.device.vulkan.program import VulkanFault
from server.device.vulkan_engine import VulkanEngine, measure_vulkan
from server.errors import CannotStart
from server.pipeline.model_store import ModelStore
from server.settings import Settings
from tests.hosts.model_server import serving
from tests.server.in_process import UNTILED, bench, exact, photo_like, save_compact

needs_device = pytest.mark.skipif(
    not vulkan_devices() and os.environ.get("CI") != "true",
    reason="no Vulkan device: mesa-vulkan-drivers and the extra",
)
LIMIT = 0.05 / 255
MADE_UP = VulkanDevice(0, "made up", "discrete", "1")
TILES = np.random.default_rng(0).random((2, 3, 37, 30), dtype=np.float32)  # no multiple of what ncnn packs


class Device:
    """A network that repeats pixels, and fails as a device does above `most` pixels of one run, or always."""

    def __init__(self, most: int = 1 << 30, fault: Exception | None = None) -> None:
        self.most, self.fault = most, fault
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        self.shapes.append(tiles.shape)
        if self.fault is not None:
            raise self.fault
        if tiles[:, 0].size > self.most:
            raise MemoryError("made up by the test")
        result: NDArray[np.float32] = tiles.repeat(2, axis=2).repeat(2, axis=3)
        return result


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    save_compact(tmp_path, "compact-faithful", gain=0.0)  # adds nothing: the nearest-neighbour enlargement
    save_compact(tmp_path, "compact-detailed", gain=0.5, bias=0.02)
    return ModelStore([tmp_path])


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Device:
    device = Device()
    monkeypatch.setattr(vulkan_engine, "VulkanNetwork", lambda *_: device)
    return device


def engine_of(store: ModelStore) -> VulkanEngine:
    return VulkanEngine(store, (*vulkan_devices(), MADE_UP)[0], exact(store))


def told(engine: VulkanEngine) -> dict[str, Any]:
    found: dict[str, Any] = engine.describe()["engine"]
    return found


@needs_device
@pytest.mark.parametrize("shape", [(2, 3, 37, 30), (1, 3, 1, 1), (1, 3, 3, 50), (3, 3, 8, 8)])
@pytest.mark.parametrize(
    ("architecture", "config"),
    [
        ("compact", {"features": 12, "layers": 2}),
        ("espcn", {"features": 8, "narrow_features": 4}),
        ("dilated_rrdb", {"features": 8, "growth": 4, "blocks": 2, "pairs": 1}),
    ],
)
def test_tiles_of_any_size_are_torchs(architecture: str, config: dict[str, int], shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    generator = weights.build_generator(architecture, config).eval()
    for parameter in generator.parameters():
        parameter.data.add_(0.02 * torch.randn(parameter.shape))
    tiles = np.random.default_rng(1).random(shape, dtype=np.float32)
    expected = run_generator(generator, CPU, torch.float32, tiles)
    assert np.abs(VulkanNetwork(generator, 0)(tiles) - expected).max() <= LIMIT


@needs_device
@pytest.mark.slow
def test_the_shipped_generators_are_torchs_on_noise_too() -> None:
    tiles = np.random.default_rng(0).random((1, 3, 40, 44), dtype=np.float32)
    folder = Path(weights.__file__).parent
    for name in ("compact-faithful", "compact-detailed"):
        generator = weights.load_generator(folder / f"{name}.safetensors").generator
        expected = run_generator(generator, CPU, torch.float32, tiles)
        assert np.abs(VulkanNetwork(generator, 0)(tiles) - expected).max() <= LIMIT


def test_a_generator_with_a_step_that_ncnn_does_not_have_is_left_to_the_cpu(tmp_path: Path) -> None:
    generator = weights.build_generator("rrdb", {"features": 4, "growth": 4, "blocks": 1})
    about = weights.WeightsMetadata("rrdb", {}, weights.SCALE, halo=8, title="foreign")
    weights.save_generator(generator, about, tmp_path / "foreign.safetensors")
    store = ModelStore([tmp_path])
    engine, key = engine_of(store), store.resolve("foreign")
    assert np.array_equal(engine.run(key, TILES), exact(store).run(key, TILES))
    assert "ncnn has no layer for" in told(engine)["on_cpu"]["foreign@None"]


@needs_device
def test_a_picture_comes_out_as_on_torch_and_freed_networks_come_back(tmp_path: Path) -> None:
    save_compact(tmp_path, "compact-faithful", gain=0.5)
    found = []
    for make in (exact, engine_of):
        with bench(tmp_path, lambda store, make=make: [make(store)]) as one:  # type: ignore[misc]
            found.append(one.enlarge(photo_like(50, 70), "RGB", "f32", plan=UNTILED))
            (engine,) = one.queue.engines
            engine.free()
            assert engine.describe()["loaded"] == []
            found.append(one.enlarge(photo_like(50, 70), "RGB", "f32", plan=UNTILED))
    assert all(np.abs(each - found[0]).max() <= LIMIT for each in found)


@needs_device
def test_only_a_few_networks_are_kept_and_memory_stays_flat(store: ModelStore) -> None:
    engine = engine_of(store)
    keys = [store.resolve("compact", detail / 20) for detail in range(2 + KEPT)]
    random, resident = np.random.default_rng(0), []
    for count in range(200):
        height, width = random.integers(8, 60, 2)
        engine.run(keys[count // 20 % len(keys)], np.zeros((1, 3, height, width), np.float32))
        resident.append(int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096)
    assert len(told(engine)["running"]) == KEPT
    assert resident[-1] - resident[99] < 32 << 20


@pytest.mark.parametrize("shape", [(4, 3, 80, 80), (1, 3, 400, 300), (2, 3, 200, 500)])
def test_out_of_memory_halves_batch_and_tile_without_a_trace(
    store: ModelStore, made_up: Device, shape: tuple[int, ...]
) -> None:
    engine, key = engine_of(store), store.resolve("compact", 0.0)
    engine.warm_up(key)
    made_up.most = 160 * 120
    tiles = np.random.default_rng(0).random(shape, dtype=np.float32)
    assert np.array_equal(engine.run(key, tiles), exact(store).run(key, tiles))
    assert told(engine)["running"] == {"compact@0.0": "vulkan"}
    side = engine.plan(key).tile + 2 * key.halo
    assert engine.batch_limit(key, side, side) * side**2 <= made_up.most * 2


@pytest.mark.parametrize("fault", [MemoryError("no memory"), VulkanFault("the device fails or is lost")])
def test_a_device_without_memory_for_the_smallest_tile_and_a_lost_one_hand_over_to_the_cpu(
    store: ModelStore, made_up: Device, fault: Exception
) -> None:
    engine, key = engine_of(store), store.resolve("compact", 0.0)
    engine.warm_up(key)
    made_up.fault = fault
    for _ in range(2):
        asked = len(made_up.shapes)
        assert np.array_equal(engine.run(key, TILES[:1]), exact(store).run(key, TILES[:1]))
    assert len(made_up.shapes) == asked, "not asked again"
    assert told(engine)["on_cpu"] == {"compact@0.0": str(fault)}
    made_up.fault = None
    engine.free()
    engine.run(key, TILES)
    assert told(engine)["running"] == {"compact@0.0": "vulkan"}, "tried again after an idle time"


def test_half_runs_join_to_the_whole() -> None:
    tiles = np.random.default_rng(0).random((1, 3, 200, 90), dtype=np.float32)

    def enlarge(part: NDArray[np.float32]) -> NDArray[np.float32]:
        return part.repeat(2, axis=2).repeat(2, axis=3)

    joined = run_in_halves(enlarge, tiles, halo=5)
    assert joined is not None
    assert np.array_equal(joined, enlarge(tiles))
    assert run_in_halves(enlarge, tiles[:, :, :74, :74], halo=5) is None


@needs_device
def test_a_device_is_measured_beside_the_cpus_engines() -> None:
    seconds = measure_vulkan(0)
    assert {"torch", "vulkan"} <= set(seconds)
    assert 0 < seconds["vulkan"] < float("inf"), "it gives torch's pixels"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path / "spool")


@pytest.mark.parametrize(
    ("kind", "seconds", "expected"),
    [("discrete", 0.5, "vulkan:0"), ("integrated", 0.5, "vulkan:0"), ("discrete", 2.0, "cpu"),
     ("discrete", float("inf"), "cpu"), ("cpu", 0.5, "cpu")],
)  # fmt: skip
def test_auto_takes_a_real_device_that_beats_the_cpu(
    store: ModelStore, settings: Settings, monkeypatch: pytest.MonkeyPatch, kind: str, seconds: float, expected: str
) -> None:
    monkeypatch.setattr(devices, "vulkan_devices", lambda: (VulkanDevice(0, "made up", kind, "1"),))
    monkeypatch.setattr(devices, "measure_vulkan", lambda _: {"torch": 2.0, "winograd": 1.0, "vulkan": seconds})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert [engine.name for engine in build_engines(settings, store)] == [expected]
    assert not store.fast, "the large generators stay a choice"


@pytest.mark.parametrize("own", [torch.cuda, torch.backends.mps])
def test_auto_prefers_a_device_of_torchs_own(settings: Settings, monkeypatch: pytest.MonkeyPatch, own: Any) -> None:
    monkeypatch.setattr(devices, "vulkan_devices", lambda: pytest.fail("asked for Vulkan"))
    monkeypatch.setattr(own, "is_available", lambda: True)
    assert devices._automatic(settings) == ["cuda:0" if own is torch.cuda else "mps"]


def test_a_device_that_gives_other_pixels_or_fails_is_never_the_fastest(
    made_up: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vulkan_engine, "measure_engines", lambda: {"torch": 1.0})
    assert measure_vulkan(0) == {"torch": 1.0, "vulkan": float("inf")}, "it repeats pixels, which torch does not"
    made_up.fault = VulkanFault("the device fails or is lost")
    assert measure_vulkan(0) == {"torch": 1.0, "vulkan": float("inf")}


def test_a_device_that_is_not_there_is_named_with_those_that_are(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "has_ncnn", lambda: True)
    monkeypatch.setattr(devices, "vulkan_devices", lambda: (VulkanDevice(1, "made up", "discrete", "1"),))
    with pytest.raises(CannotStart, match=r"'vulkan:7'; this machine has cpu, .*vulkan:1; choose"):
        build_engines(Settings(device="vulkan:7"), store)
    monkeypatch.setattr(devices, "has_ncnn", lambda: False)
    with pytest.raises(CannotStart, match=r'pip install "neural-upscale\[vulkan\]"'):
        build_engines(Settings(device="vulkan"), store)


def test_every_device_is_found_and_a_card_that_torch_cannot_use_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [each["device"] for each in found_devices()][-1] == "cpu"
    assert {each.device for each in vulkan_devices()} <= {each["device"] for each in found_devices()}
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "built for CPUs only; install the plain torch" in unused_card()
    with monkeypatch.context() as windows:  # where the plain one is a CPU build
        windows.setattr("shutil.which", lambda _: "nvidia-smi.exe")
        windows.setattr(sys, "platform", "win32")
        assert "--torch-backend auto" in unused_card()
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    assert unused_card() == ""


@pytest.mark.parametrize(
    ("told", "name"),
    [("model name\t: Made Up 9 flags\t\t: fma avx2 ", "Made Up 9"),
     ("Features\t: fp CPU part\t: 0xd0c ", "AMD64 Family 6"), ("AMD64 Family 6", "AMD64 Family 6")],
)  # fmt: skip
def test_the_processor_has_a_name_on_every_system(told: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "processor", lambda: told)
    monkeypatch.setattr("platform.machine", lambda: "AMD64")
    monkeypatch.setattr("platform.processor", lambda: "Family 6")
    assert found_devices()[-1] == {"device": "cpu", "name": name}


@pytest.mark.skipif(not has_ncnn(), reason="the extra `vulkan` is not installed")
def test_the_server_starts_without_ncnn_until_a_device_is_used() -> None:
    code = "import sys, server.device.devices as d; d.found_devices(); sys.exit('ncnn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@needs_device
def test_a_server_on_a_vulkan_device_names_it_gives_torchs_pixels_and_can_be_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidia-smi").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    pixels = (photo_like(70, 90) * 255).round().astype(np.uint8).tobytes()
    found = {}
    for device in ("cpu", "vulkan"):
        folder = tmp_path / device
        folder.mkdir()
        with serving(folder, "--device", device) as server:
            found[device] = server.upscale(pixels, 90, 70, "RGB", "u8", model="fixed-faithful")
            if device == "cpu":
                continue
            deadline = time.monotonic() + 60
            while not (status := server.get("/v1/status"))["found"]:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert status["devices"][0]["device"] == vulkan_devices()[0].device
            assert status["devices"][0]["engine"]["running"] == {"fixed-faithful@None": "vulkan"}
            assert {"device": vulkan_devices()[0].device, "name": vulkan_devices()[0].name} in status["found"]
            assert status["notes"] == [each for each in [unused_card()] if each]  # of the card that is made up
            answer = requests.post(
                f"{server.url}/v1/upscale",
                params={"width": 600, "height": 3000, "layout": "GRAY", "depth": "u8", "model": "fixed-faithful"},
                data=bytes(600 * 3000), headers={"Authorization": f"Bearer {server.token}"}, stream=True, timeout=120,
            )  # fmt: skip
            answer.close()
            deadline = time.monotonic() + 60
            while server.get("/v1/status")["queue"]["requests"]:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert server.upscale(pixels, 90, 70, "RGB", "u8", model="fixed-faithful") == found[device]
            server.process.terminate()
            assert server.process.wait(30) == 0
    difference = np.frombuffer(found["cpu"], np.uint8).astype(int) - np.frombuffer(found["vulkan"], np.uint8)
    assert np.abs(difference).max() <= 1, "rounding alone"
