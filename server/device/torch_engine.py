"""Eager torch on one device, and what it does when a result is not finite or memory runs out. No HTTP.

not finite   the tile is run again in float32
memory out   batch halved, then tile halved (with its context, so nothing can be seen), then the CPU
"""

from __future__ import annotations

import contextlib
import logging
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from server.device.allocator import give_back
from server.device.halves import run_in_halves
from server.device.model_cache import LoadedModel, ModelCache
from server.device.tile_sizing import TileSizing
from server.errors import DeviceFault
from server.pipeline.engine import Plan
from server.pipeline.model_key import ModelKey
from server.pipeline.model_store import ModelStore
from weights import Generator, enlarge

# Torch takes large blocks beside the band that the host holds. With 3 << 19 a hundred megapixels took up to 418 MB on a
# busy machine.
MOST_BAND_PIXELS = 5 << 18

log = logging.getLogger(__name__)


class TorchEngine:
    """Every architecture, on every device that torch knows."""

    def __init__(self, store: ModelStore, device: str = "cpu", dtype: str = "auto", *, max_batch: int = 16) -> None:
        self.device = torch.device(device)
        self.name = str(self.device)
        self.sizing = TileSizing(
            is_cpu=self.device.type == "cpu", max_batch=max_batch, most_band_pixels=MOST_BAND_PIXELS
        )
        self._store = store
        self._models = ModelCache(store, self.device, dtype, self._forward)

    def plan(self, key: ModelKey) -> Plan:
        """Return the largest tile that takes at most about a second, and a band of a few seconds."""
        return self.sizing.plan(key)

    def batch_limit(self, key: ModelKey, height: int, width: int) -> int:
        """Return how many such tiles one run may hold, in time and in memory."""
        return self.sizing.batch_limit(key, height, width)

    def warm_up(self, key: ModelKey) -> None:
        """Load a generator and learn the device's speed with it."""
        self.sizing.warm_up(key, lambda tiles: self.run(key, tiles))

    def run(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enlarge a batch, whatever it takes.

        Args:
            key: the generator.
            tiles: (N, 3, H, W), float32, 0…1, with `key.halo` pixels of context.

        Returns:
            (N, 3, scale·H, scale·W), float32, finite.

        Raises:
            DeviceFault: the result is not finite even in float32.
        """
        model = self._models.of(key)
        with torch.inference_mode():
            begun = time.perf_counter()
            result = self._run(key, model, tiles)
            self.sizing.learn(key, tiles.shape, time.perf_counter() - begun)
        if not finite_tiles(result).all():
            raise DeviceFault(f"The model {key.name} gives values that are not finite; use another model or device.")
        return result

    def _run(self, key: ModelKey, model: LoadedModel, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            result = self._forward(model.generator, model.dtype, tiles)
        except RuntimeError as fault:
            if not is_out_of_memory(fault):
                raise
            return self._run_smaller(key, model, tiles)
        for index in np.flatnonzero(~finite_tiles(result)):
            if model.dtype != torch.float32:
                log.warning("tile not finite, run again in float32", extra={"model": key.name, "device": self.name})
                exact = self._models.in_float32(key, model)
                result[index] = self._forward(exact, torch.float32, tiles[index : index + 1])[0]
        return result

    def _forward(self, generator: Generator, dtype: torch.dtype, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        return run_generator(generator, self.device, dtype, tiles)

    def _run_smaller(self, key: ModelKey, model: LoadedModel, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        self._free_cache()
        count, _, height, width = tiles.shape
        self.sizing.learn_limit(key, tiles.shape)
        log.warning("device memory ran out", extra={"device": self.name, "batch": count, "tile": [height, width]})
        halved = run_in_halves(lambda half: self._run(key, model, half), tiles, key.halo)
        return self._on_cpu(key, tiles) if halved is None else halved

    def _on_cpu(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        log.warning("smallest tile does not fit the device, computed on the CPU", extra={"device": self.name})
        return run_generator(self._store.generator(key), torch.device("cpu"), torch.float32, tiles)

    def _free_cache(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        elif self.device.type == "mps":
            torch.mps.empty_cache()

    def free(self) -> None:
        """Return the device's memory to the system; generators are loaded again when they are asked for."""
        self._models.clear()
        self._store.free()
        self._free_cache()
        give_back()

    def describe(self) -> dict[str, Any]:
        """Return what `/v1/status` shows of this device."""
        memory: dict[str, int] = {}
        if self.device.type == "cuda":
            with contextlib.suppress(RuntimeError):
                free, total = torch.cuda.mem_get_info(self.device)
                memory = {"free": free, "total": total, "ours": torch.cuda.memory_reserved(self.device)}
        return {
            "device": self.name, "loaded": self._models.describe(), **self.sizing.describe("torch"), "memory": memory,
        }  # fmt: skip


def run_generator(
    generator: Generator, device: torch.device, dtype: torch.dtype, tiles: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Enlarge tiles on eager torch.

    Args:
        generator: placed on `device` in `dtype`.
        device: where it lies.
        dtype: its precision.
        tiles: (N, 3, H, W), float32, 0…1.

    Returns:
        (N, 3, scale·H, scale·W), float32, as the generator gives it.
    """
    batch = torch.from_numpy(tiles)
    if device.type == "cuda":
        batch = batch.pin_memory()
    with torch.inference_mode():
        batch = batch.to(device, non_blocking=True).contiguous(memory_format=generator.memory_format)
        high_res = enlarge(generator, batch, None if dtype == torch.float32 else dtype)
        result: NDArray[np.float32] = high_res.contiguous().cpu().numpy()
    return result


def is_out_of_memory(fault: RuntimeError) -> bool:
    """Return whether a device refused memory; torch has a class for that, which Apple's devices do not use."""
    return isinstance(fault, torch.OutOfMemoryError) or "MPS backend out of memory" in str(fault)


def finite_tiles(tiles: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return for each tile of (N, 3, H, W) whether all of its values are finite, (N,)."""
    return np.asarray(np.isfinite(tiles).reshape(len(tiles), -1).all(axis=1))
