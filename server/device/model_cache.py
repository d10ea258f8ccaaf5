"""The generators that lie on a device, each in the precision that its self-test allows; the least used make room.

auto dtype   float32 on a CPU without bfloat16 units; elsewhere half precision, if the self-test allows it
"""

from __future__ import annotations

import copy
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from server.device.self_test import LIMIT, has_bfloat16_units, largest_difference, self_test_tiles
from server.pipeline.model_key import ModelKey
from server.pipeline.model_store import ModelStore
from weights import Generator

KEPT = 4

log = logging.getLogger(__name__)

Forward = Callable[[Generator, torch.dtype, NDArray[np.float32]], NDArray[np.float32]]


@dataclass
class LoadedModel:
    """A generator on the device; `exact` is its float32 form, made when a tile is not finite."""

    generator: Generator
    dtype: torch.dtype
    exact: Generator | None = None


class ModelCache:
    """The generators on one device.

    Args:
        store: where generators come from.
        device: where they lie.
        dtype: "auto", "float32", "float16" or "bfloat16".
        forward: runs tiles (N, 3, H, W) on a generator that lies there, in that precision.
    """

    def __init__(self, store: ModelStore, device: torch.device, dtype: str, forward: Forward) -> None:
        self._store = store
        self._device = device
        self._dtype = dtype
        self._forward = forward
        self._kept: OrderedDict[ModelKey, LoadedModel] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many are loaded."""
        return len(self._kept)

    def of(self, key: ModelKey) -> LoadedModel:
        """Return a generator; it is loaded, placed and tested if it is not there yet."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        model = self._choose_dtype(key)
        with self._lock:
            self._kept[key] = model
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return model

    def in_float32(self, key: ModelKey, model: LoadedModel) -> Generator:
        """Return a loaded generator's float32 form, which is kept with it."""
        exact = model.exact or place(self._store.generator(key), self._device, torch.float32)
        model.exact = exact
        return exact

    def clear(self) -> None:
        """Let all go; they are loaded again when they are asked for."""
        with self._lock:
            self._kept.clear()

    def describe(self) -> list[dict[str, object]]:
        """Return model, detail, cleanup and dtype of each."""
        with self._lock:
            kept = list(self._kept.items())
        return [{**key.chosen, "dtype": dtype_name(each.dtype)} for key, each in kept]

    def _choose_dtype(self, key: ModelKey) -> LoadedModel:
        source = self._store.generator(key)
        exact = place(source, self._device, torch.float32)
        for dtype in [each for each in self._half_candidates() if each in source.half_precisions]:
            candidate = place(source, self._device, dtype)
            try:
                difference = self._self_test(exact, candidate, dtype)
            except RuntimeError as fault:  # a dtype that the device's kernels do not know
                log.warning("half precision fails", extra={"device": str(self._device), "fault": str(fault)})
                continue
            if difference <= LIMIT:
                return LoadedModel(candidate, dtype)
            log.warning(
                "half precision refused by its self-test",
                extra={"model": key.name, "dtype": str(dtype), "difference_255": round(difference * 255, 3)},
            )
        return LoadedModel(exact, torch.float32)

    def _half_candidates(self) -> Iterator[torch.dtype]:
        if self._dtype in ("float16", "bfloat16"):
            yield getattr(torch, self._dtype)
        elif self._dtype == "auto" and self._device.type in ("cuda", "mps"):
            yield torch.float16
            yield torch.bfloat16
        elif self._dtype == "auto" and self._device.type == "cpu" and has_bfloat16_units():
            yield torch.bfloat16

    def _self_test(self, exact: Generator, candidate: Generator, dtype: torch.dtype) -> float:
        tiles = self_test_tiles()
        return largest_difference(self._forward(exact, torch.float32, tiles), self._forward(candidate, dtype, tiles))


def place(source: Generator, device: torch.device, dtype: torch.dtype) -> Generator:
    """Copy a generator to a device in a precision, in the layout that is the fastest for it."""
    placed = copy.deepcopy(source).to(device, dtype).requires_grad_(False).eval()
    placed.to(memory_format=source.memory_format)  # type: ignore[call-overload]
    return placed


def dtype_name(dtype: torch.dtype) -> str:
    """Return a precision's name, as "bfloat16"."""
    return str(dtype).removeprefix("torch.")
