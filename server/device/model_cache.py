"""The generators that lie on a device, each in the precision that its self-test allows; the least used make room.

auto dtype   float32 on a CPU without bfloat16 units; elsewhere half precision, if the self-test allows it
"""

from __future__ import annotations

import copy
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from server.device.engine_forward import TORCH
from server.device.self_test import has_bfloat16_units, self_test_tiles
from server.pipeline.model_store import ModelKey, ModelStore
from weights import Generator

SELF_TEST_LIMIT = 0.25 / 255
KEPT = 4

log = logging.getLogger(__name__)

EagerForward = Callable[[Generator, torch.dtype, NDArray[np.float32]], NDArray[np.float32]]


@dataclass
class LoadedModel:
    """A generator on the device; `spare` is its float32 form, made when a tile is not finite."""

    generator: Generator
    dtype: torch.dtype
    spare: Generator | None = None

    @property
    def dtype_name(self) -> str:
        """Name the precision, as "bfloat16"."""
        return str(self.dtype).removeprefix("torch.")


class ModelCache:
    """The generators on one device.

    Args:
        store: where generators come from.
        device: where they lie.
        dtype: "auto", "float32", "float16" or "bfloat16".
        forward: runs tiles (N, 3, H, W) on a generator that lies there, in that precision.
    """

    def __init__(self, store: ModelStore, device: torch.device, dtype: str, forward: EagerForward) -> None:
        self._store = store
        self._device = device
        self._dtype = dtype
        self._forward = forward
        self._kept: OrderedDict[ModelKey, LoadedModel] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Count them."""
        return len(self._kept)

    def of(self, key: ModelKey) -> LoadedModel:
        """Give a generator, loaded, placed and tested if it is not there yet."""
        key = replace(key, engine=TORCH)
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        resident = self._choose_dtype(key)
        with self._lock:
            self._kept[key] = resident
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return resident

    def spare_of(self, key: ModelKey, resident: LoadedModel) -> Generator:
        """Give a resident's float32 form; it is kept with it."""
        spare = resident.spare or self._placed(self._store.generator(key), torch.float32)
        resident.spare = spare
        return spare

    def clear(self) -> None:
        """Let all go; they are loaded again when they are asked for."""
        with self._lock:
            self._kept.clear()

    def describe(self) -> list[dict[str, object]]:
        """Tell model, detail and dtype of each."""
        with self._lock:
            kept = list(self._kept.items())
        return [{"model": key.name, "detail": key.detail, "dtype": each.dtype_name} for key, each in kept]

    def _choose_dtype(self, key: ModelKey) -> LoadedModel:
        source = self._store.generator(key)
        plain = self._placed(source, torch.float32)
        for dtype in self._half_candidates():
            candidate = self._placed(source, dtype)
            try:
                difference = self._self_test(plain, candidate, dtype)
            except RuntimeError as fault:  # a dtype that the device's kernels do not know
                log.warning("half precision fails", extra={"device": str(self._device), "fault": str(fault)})
                continue
            if difference <= SELF_TEST_LIMIT:
                return LoadedModel(candidate, dtype)
            log.warning(
                "half precision refused by its self-test",
                extra={"model": key.name, "dtype": str(dtype), "difference_255": round(difference * 255, 3)},
            )
        return LoadedModel(plain, torch.float32)

    def _half_candidates(self) -> Iterator[torch.dtype]:
        if self._dtype in ("float16", "bfloat16"):
            yield getattr(torch, self._dtype)
        elif self._dtype == "auto" and self._device.type in ("cuda", "mps"):
            yield torch.float16
            yield torch.bfloat16
        elif self._dtype == "auto" and self._device.type == "cpu" and has_bfloat16_units():
            yield torch.bfloat16

    def _self_test(self, plain: Generator, candidate: Generator, dtype: torch.dtype) -> float:
        tiles = self_test_tiles()
        exact = self._forward(plain, torch.float32, tiles)
        found = self._forward(candidate, dtype, tiles)
        difference = float(np.abs(exact - found).max())
        return difference if np.isfinite(difference) else float("inf")

    def _placed(self, source: Generator, dtype: torch.dtype) -> Generator:
        placed = copy.deepcopy(source).to(self._device, dtype).requires_grad_(False).eval()
        placed.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return placed
