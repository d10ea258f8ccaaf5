"""One device and the generators on it: dtype, self-test, speed, and what happens when memory runs out. No HTTP.

auto dtype   float32 on a CPU without bfloat16 units; elsewhere half precision, if the self-test allows it
not finite   the tile is run again in float32
memory out   batch halved, then tile halved (with its context, so nothing can be seen), then the CPU
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from server.allocator import give_back
from server.engine import SMALLEST_TILE, Plan
from server.engines.choice import EngineChoice
from server.engines.forward import TORCH
from server.engines.remembered import Remembered
from server.engines.trial import Host
from server.errors import DeviceFault
from server.models import ModelKey, ModelStore
from server.self_test import has_bfloat16_units, self_test_tiles
from weights import Generator, enlarge

SECONDS_PER_TILE = 0.9
SECONDS_PER_BAND = 2.5
TILE_SIDES = (64, 128, 192, 256, 384, 512)
# The host holds a band of the result, in float32, while the next one runs. Eager torch takes large blocks beside it;
# lower bands cost time, because each is computed with context above and below. With 3 << 19 a hundred megapixels took
# up to 418 MB on a busy machine.
MOST_BAND_PIXELS = 1 << 21
MOST_BAND_PIXELS_ON_TORCH = 5 << 18
SELF_TEST_LIMIT = 0.25 / 255
CPU_BATCH_PIXELS = 1 << 18  # of one run, context included: small tiles gain by company, large ones only take memory
KEPT_ON_DEVICE = 4

log = logging.getLogger(__name__)


@dataclass
class _Resident:
    """A generator on the device; `spare` is its float32 form, made when a tile is not finite."""

    generator: Generator
    dtype: torch.dtype
    spare: Generator | None = None


class Upscaler:
    """The torch engine."""

    def __init__(self, store: ModelStore, device: str = "cpu", dtype: str = "auto", *, max_batch: int = 16) -> None:
        self.device = torch.device(device)
        self.name = str(self.device)
        self._store = store
        self._dtype = dtype
        self._max_batch = max_batch
        self._residents: OrderedDict[ModelKey, _Resident] = OrderedDict()
        self._speed: dict[ModelKey, float] = {}  # pixels per second, context included
        self._most_pixels: dict[ModelKey, int] = {}  # of one run, learned when memory ran out
        self._lock = threading.Lock()
        self._choice: EngineChoice | None = None
        self.threads = torch.get_num_threads()
        self.turn = threading.Lock()  # held while a batch runs, or an engine is tried
        self.last_run = 0.0

    def offer_engines(self, wanted: str, notes: Path) -> None:
        """Let other engines than eager torch run; `wanted` is one of ENGINES, `notes` remembers what was fastest."""
        self._choice = EngineChoice(wanted, Host(self, self._store), Remembered(notes))

    def prefer(self, key: ModelKey, pixels: int) -> ModelKey:
        """Name what should run a new picture of so many pixels."""
        return self._choice.prefer(key, pixels) if self._choice else key

    def plan(self, key: ModelKey) -> Plan:
        """Give the largest tile that takes at most about a second, and a band of a few seconds."""
        speed = self._speed.get(key, 1e5)
        most = min(speed * SECONDS_PER_TILE, self._most_pixels.get(key, 1 << 62))
        sides = [side for side in TILE_SIDES if (side + 2 * key.halo) ** 2 <= most]
        tile = max(sides, default=SMALLEST_TILE)
        useful = speed * (tile / (tile + 2 * key.halo)) ** 2
        largest = MOST_BAND_PIXELS_ON_TORCH if key.engine == "torch" else MOST_BAND_PIXELS
        return Plan(tile, int(min(largest, useful * SECONDS_PER_BAND)))

    def batch_limit(self, key: ModelKey, height: int, width: int) -> int:
        """Give how many such tiles one run may hold, in time and in memory."""
        most = min(self._speed.get(key, 1e5) * SECONDS_PER_TILE, self._most_pixels.get(key, 1 << 62))
        if self.device.type == "cpu":
            most = min(most, CPU_BATCH_PIXELS)
        return max(1, min(self._max_batch, int(most / (height * width))))

    def warm_up(self, key: ModelKey) -> None:
        """Load a generator and time one small tile, twice: the first run pays for what is only paid once."""
        if key in self._speed:
            return
        side = SMALLEST_TILE + 2 * key.halo
        for _ in range(2):
            begun = time.perf_counter()
            self.run(key, np.full((1, 3, side, side), 0.5, np.float32))
            self._speed[key] = side * side / (time.perf_counter() - begun)

    def run(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enlarge a batch, whatever it takes.

        Args:
            key: the generator.
            tiles: (N, 3, H, W), float32, 0…1, with `key.halo` pixels of context.

        Returns:
            (N, 3, 2H, 2W), float32, finite.

        Raises:
            DeviceFault: the result is not finite even in float32.
        """
        resident = self._resident(key)
        with self.turn, torch.inference_mode():
            begun = time.perf_counter()
            result = self._run(key, resident, tiles)
            seconds = time.perf_counter() - begun
        self.last_run = time.monotonic()
        if tiles.shape[-1] * tiles.shape[-2] > SMALLEST_TILE**2 and key in self._speed:
            pixels = tiles.shape[0] * tiles.shape[-1] * tiles.shape[-2]
            self._speed[key] += 0.3 * (pixels / max(seconds, 1e-6) - self._speed[key])
        finite = np.isfinite(result).reshape(len(result), -1).all(axis=1)
        if not finite.all():
            raise DeviceFault(f"The model {key.name} gives values that are not finite; use another model or device.")
        return result

    def _run(self, key: ModelKey, resident: _Resident, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            result = self._compute(key, resident, tiles)
        except torch.OutOfMemoryError:
            return self._run_smaller(key, resident, tiles)
        for index in np.flatnonzero(~np.isfinite(result).reshape(len(result), -1).all(axis=1)):
            if resident.dtype != torch.float32 or key.engine != TORCH:
                log.warning("tile not finite, run again in float32", extra={"model": key.name, "device": self.name})
                spare = resident.spare or self._placed(self._store.generator(key), torch.float32)
                resident.spare = spare
                result[index] = self._forward(spare, torch.float32, tiles[index : index + 1])[0]
        return result

    def _compute(self, key: ModelKey, resident: _Resident, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        forward = self._choice.forward(key) if self._choice and key.engine != TORCH else None
        if forward is not None and self._choice is not None:
            try:
                return forward(tiles)
            except Exception as fault:  # noqa: BLE001 (each engine has errors of its own)
                self._choice.drop(key, fault)
        return self._forward(resident.generator, resident.dtype, tiles)

    def _forward(self, generator: Generator, dtype: torch.dtype, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        batch = torch.from_numpy(tiles)
        if self.device.type == "cuda":
            batch = batch.pin_memory()
        batch = batch.to(self.device, non_blocking=True).contiguous(memory_format=torch.channels_last)
        high_res = enlarge(generator, batch, None if dtype == torch.float32 else dtype)
        result: NDArray[np.float32] = high_res.contiguous().cpu().numpy()
        return result

    def _run_smaller(self, key: ModelKey, resident: _Resident, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        self._free_cache()
        count, _, height, width = tiles.shape
        self._most_pixels[key] = max(1, count * height * width // 2)
        log.warning("device memory ran out", extra={"device": self.name, "batch": count, "tile": [height, width]})
        if count > 1:
            halves = (tiles[: count // 2], tiles[count // 2 :])
            return np.concatenate([self._run(key, resident, half) for half in halves])
        axis = 2 if height >= width else 3
        core = tiles.shape[axis] - 2 * key.halo
        if core <= SMALLEST_TILE:
            return self._on_cpu(key, tiles)
        middle = core // 2
        first, second = (slice(0, middle + 2 * key.halo), slice(middle, None))
        parts = []
        for part, kept in ((first, slice(0, 2 * (middle + key.halo))), (second, slice(2 * key.halo, None))):
            piece = np.ascontiguousarray(tiles[:, :, part] if axis == 2 else tiles[:, :, :, part])
            enlarged = self._run(key, resident, piece)
            parts.append(enlarged[:, :, kept] if axis == 2 else enlarged[:, :, :, kept])
        return np.concatenate(parts, axis=axis)

    def _on_cpu(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        log.warning("smallest tile does not fit the device, computed on the CPU", extra={"device": self.name})
        generator = self._store.generator(key)
        result: NDArray[np.float32] = enlarge(generator, torch.from_numpy(tiles)).numpy()
        return result

    def run_eager(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run tiles on eager torch alone, for comparison; the caller holds `turn`."""
        resident = self._resident(key)
        with torch.inference_mode():
            return self._forward(resident.generator, resident.dtype, tiles)

    def dtype_of(self, key: ModelKey) -> str:
        """Name the precision of a generator on this device."""
        return str(self._resident(key).dtype).removeprefix("torch.")

    def _resident(self, key: ModelKey) -> _Resident:
        key = replace(key, engine=TORCH)
        with self._lock:
            found = self._residents.get(key)
            if found is not None:
                self._residents.move_to_end(key)
                return found
        source = self._store.generator(key)
        resident = self._choose_dtype(key, source)
        with self._lock:
            self._residents[key] = resident
            while len(self._residents) > KEPT_ON_DEVICE:
                self._residents.popitem(last=False)
        return resident

    def _choose_dtype(self, key: ModelKey, source: Generator) -> _Resident:
        plain = self._placed(source, torch.float32)
        for dtype in self._half_candidates():
            candidate = self._placed(source, dtype)
            try:
                difference = self._self_test(plain, candidate, dtype)
            except RuntimeError as fault:  # a dtype that the device's kernels do not know
                log.warning("half precision fails", extra={"device": self.name, "fault": str(fault)})
                continue
            if difference <= SELF_TEST_LIMIT:
                return _Resident(candidate, dtype)
            log.warning(
                "half precision refused by its self-test",
                extra={"model": key.name, "dtype": str(dtype), "difference_255": round(difference * 255, 3)},
            )
        return _Resident(plain, torch.float32)

    def _half_candidates(self) -> Iterator[torch.dtype]:
        if self._dtype in ("float16", "bfloat16"):
            yield getattr(torch, self._dtype)
        elif self._dtype == "auto" and self.device.type in ("cuda", "mps"):
            yield torch.float16
            yield torch.bfloat16
        elif self._dtype == "auto" and self.device.type == "cpu" and has_bfloat16_units():
            yield torch.bfloat16

    def _self_test(self, plain: Generator, candidate: Generator, dtype: torch.dtype) -> float:
        tiles = self_test_tiles()
        exact = self._forward(plain, torch.float32, tiles)
        found = self._forward(candidate, dtype, tiles)
        difference = float(np.abs(exact - found).max())
        return difference if np.isfinite(difference) else float("inf")

    def _placed(self, source: Generator, dtype: torch.dtype) -> Generator:
        placed = copy.deepcopy(source).to(self.device, dtype).requires_grad_(False).eval()
        placed.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return placed

    def _free_cache(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def free(self) -> None:
        """Give the device's memory back; generators are loaded again when they are asked for."""
        with self._lock:
            self._residents.clear()
        if self._choice is not None:
            self._choice.free()
        self._store.free()
        self._free_cache()
        give_back()

    def describe(self) -> dict[str, Any]:
        """Tell what `/v1/status` shows of this device."""
        with self._lock:
            loaded = [
                {"model": key.name, "detail": key.detail, "dtype": str(resident.dtype).removeprefix("torch.")}
                for key, resident in self._residents.items()
            ]
            measured = {f"{key.name}@{key.detail} {key.engine}": key for key in list(self._speed)}
        speeds = {name: round(self._speed[key] / 1e6, 4) for name, key in measured.items()}
        plans = {name: dataclasses.asdict(self.plan(key)) for name, key in measured.items()}
        memory: dict[str, int] = {}
        if self.device.type == "cuda":
            with contextlib.suppress(RuntimeError):
                free, total = torch.cuda.mem_get_info(self.device)
                memory = {"free": free, "total": total, "ours": torch.cuda.memory_reserved(self.device)}
        return {
            "device": self.name,
            "loaded": loaded,
            "megapixels_per_second": speeds,
            "plans": plans,
            "memory": memory,
        } | ({} if self._choice is None else {"engine": self._choice.describe()})
