"""One device that runs tiles, and what it does when a result is not finite or memory runs out. No HTTP.

not finite   the tile is run again in float32
memory out   batch halved, then tile halved (with its context, so nothing can be seen), then the CPU
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from server.device.allocator import give_back
from server.device.engine_choice import EngineChoice
from server.device.engine_forward import TORCH
from server.device.engine_record import Remembered
from server.device.engine_trial import Host
from server.device.model_cache import LoadedModel, ModelCache
from server.device.periodic import periodic, whole_periods
from server.device.tile_sizing import TileSizing
from server.errors import DeviceFault
from server.pipeline.engine import PERIODIC, SMALLEST_TILE, Plan
from server.pipeline.model_store import ModelKey, ModelStore
from weights import Generator, enlarge

log = logging.getLogger(__name__)


class TorchEngine:
    """The torch engine."""

    def __init__(self, store: ModelStore, device: str = "cpu", dtype: str = "auto", *, max_batch: int = 16) -> None:
        self.device = torch.device(device)
        self.name = str(self.device)
        self.sizing = TileSizing(is_cpu=self.device.type == "cpu", max_batch=max_batch)
        self._store = store
        self._residents = ModelCache(store, self.device, dtype, self._forward)
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
        return self.sizing.plan(key)

    def batch_limit(self, key: ModelKey, height: int, width: int) -> int:
        """Give how many such tiles one run may hold, in time and in memory."""
        return self.sizing.batch_limit(key, height, width)

    def warm_up(self, key: ModelKey) -> None:
        """Load a generator and time one small tile, twice: the first run pays for what is only paid once."""
        if key in self.sizing.speed:
            return
        side = SMALLEST_TILE + 2 * key.halo
        for _ in range(2):
            begun = time.perf_counter()
            self.run(key, np.full((1, 3, side, side), 0.5, np.float32))
            self.sizing.speed[key] = side * side / (time.perf_counter() - begun)

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
        resident = self._residents.of(key)
        with self.turn, torch.inference_mode():
            begun = time.perf_counter()
            result = self._run(key, resident, tiles)
            seconds = time.perf_counter() - begun
        self.last_run = time.monotonic()
        self.sizing.learn(key, tiles.shape, seconds)
        finite = np.isfinite(result).reshape(len(result), -1).all(axis=1)
        if not finite.all():
            raise DeviceFault(f"The model {key.name} gives values that are not finite; use another model or device.")
        return result

    def _run(self, key: ModelKey, resident: LoadedModel, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            result = self._compute(key, resident, tiles)
        except torch.OutOfMemoryError:
            return self._run_smaller(key, resident, tiles)
        for index in np.flatnonzero(~np.isfinite(result).reshape(len(result), -1).all(axis=1)):
            if resident.dtype != torch.float32 or key.engine != TORCH:
                log.warning("tile not finite, run again in float32", extra={"model": key.name, "device": self.name})
                spare = self._residents.spare_of(key, resident)
                spare = periodic(spare) if key.engine == PERIODIC else spare
                result[index] = self._forward(spare, torch.float32, tiles[index : index + 1])[0]
        return result

    def _compute(self, key: ModelKey, resident: LoadedModel, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        if key.engine == PERIODIC:
            height, width = 2 * tiles.shape[2], 2 * tiles.shape[3]
            tiles = whole_periods(resident.generator, tiles)
            return self._forward(periodic(resident.generator), resident.dtype, tiles)[:, :, :height, :width]
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

    def _run_smaller(self, key: ModelKey, resident: LoadedModel, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        self._free_cache()
        count, _, height, width = tiles.shape
        self.sizing.ran_out(key, tiles.shape)
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
        generator = periodic(generator) if key.engine == PERIODIC else generator
        result: NDArray[np.float32] = enlarge(generator, torch.from_numpy(tiles)).numpy()
        return result

    def run_eager(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run tiles on eager torch alone, for comparison; the caller holds `turn`."""
        resident = self._residents.of(key)
        with torch.inference_mode():
            return self._forward(resident.generator, resident.dtype, tiles)

    def dtype_of(self, key: ModelKey) -> str:
        """Name the precision of a generator on this device."""
        return self._residents.of(key).dtype_name

    def _free_cache(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def free(self) -> None:
        """Give the device's memory back; generators are loaded again when they are asked for."""
        self._residents.clear()
        if self._choice is not None:
            self._choice.free()
        self._store.free()
        self._free_cache()
        give_back()

    def describe(self) -> dict[str, Any]:
        """Tell what `/v1/status` shows of this device."""
        measured = {f"{key.name}@{key.detail} {key.engine}": key for key in list(self.sizing.speed)}
        speeds = {name: round(self.sizing.speed[key] / 1e6, 4) for name, key in measured.items()}
        plans = {name: dataclasses.asdict(self.plan(key)) for name, key in measured.items()}
        memory: dict[str, int] = {}
        if self.device.type == "cuda":
            with contextlib.suppress(RuntimeError):
                free, total = torch.cuda.mem_get_info(self.device)
                memory = {"free": free, "total": total, "ours": torch.cuda.memory_reserved(self.device)}
        return {
            "device": self.name,
            "loaded": self._residents.describe(),
            "megapixels_per_second": speeds,
            "plans": plans,
            "memory": memory,
        } | ({} if self._choice is None else {"engine": self._choice.describe()})
