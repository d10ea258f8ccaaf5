"""Winograd's filtering on the CPU for `compact` generators, several times as fast as torch; all others are torch's.

Where the kernel cannot be built, gives other pixels than torch in float32, or is slower on this machine, torch runs the
generator.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from server.device.checked_engine import CPU, CheckedEngine, Network
from server.device.engine_choice import EngineChoice
from server.device.model_cache import place
from server.device.self_test import self_test_tiles
from server.device.tile_sizing import TileSizing
from server.device.timing import median_seconds
from server.device.torch_engine import TorchEngine, run_generator
from server.device.winograd.network import WinogradNetwork
from server.pipeline.model_store import ModelStore
from weights import Generator, build_generator

NAME = "winograd"
MOST_BAND_PIXELS = 1 << 21
SAMPLE = {"features": 48, "layers": 4}  # of `compact`: as wide as the shipped one, and quicker to measure
PATIENCE = 0.2  # seconds for measuring each engine


class WinogradEngine(CheckedEngine):
    """The CPU with both engines.

    Args:
        store: where generators come from.
        torch_engine: runs what this one cannot; on the CPU.
        choice: which of the two is faster here; None takes Winograd wherever it can be used.
        max_batch: tiles that a run may hold at most.
        folder: where the compiled kernel is kept; None means in the user's cache folder.
    """

    engine = NAME
    left = "on_torch"

    def __init__(
        self, store: ModelStore, torch_engine: TorchEngine, choice: EngineChoice | None = None,
        *, max_batch: int = 16, folder: Path | None = None,
    ) -> None:  # fmt: skip
        sizing = TileSizing(is_cpu=True, max_batch=max_batch, most_band_pixels=MOST_BAND_PIXELS)
        super().__init__(torch_engine.name, store, torch_engine, sizing)
        self._choice, self._folder = choice, folder

    def describe(self) -> dict[str, Any]:
        """Return what `/v1/status` shows of the CPU, with the seconds that chose the engine."""
        described = super().describe()
        described["engine"]["seconds"] = {} if self._choice is None else self._choice.seconds
        return described

    def _build(self, generator: Generator) -> Network:
        return WinogradNetwork(generator, torch.get_num_threads(), self._folder)

    def _objection(self) -> str:
        if self._choice is None or self._choice.fastest() == NAME:
            return ""
        return "torch was measured to be the faster engine"


def measure_engines() -> dict[str, float]:
    """Measure both engines on a generator like the shipped one; returns the seconds of two tiles of 64×64."""
    generator = build_generator("compact", SAMPLE).eval()
    placed, network = place(generator, CPU, torch.float32), WinogradNetwork(generator, torch.get_num_threads())
    tiles = self_test_tiles()
    return {
        "torch": median_seconds(lambda: run_generator(placed, CPU, torch.float32, tiles), PATIENCE),
        NAME: median_seconds(lambda: network(tiles), PATIENCE),
    }
