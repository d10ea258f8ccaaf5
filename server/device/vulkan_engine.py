"""A GPU by Vulkan, through ncnn, in float32; the CPU's engine runs what it cannot.

memory out    batch halved, then tile halved; where the smallest tile does not fit, the CPU runs the generator
device lost   the CPU runs the generator; after an idle time it is tried again
"""

from __future__ import annotations

import logging

import numpy as np
import torch
from numpy.typing import NDArray

from server.device.checked_engine import CPU, CheckedEngine, Network
from server.device.halves import run_in_halves
from server.device.model_cache import place
from server.device.self_test import LIMIT, largest_difference, self_test_tiles
from server.device.tile_sizing import TileSizing
from server.device.timing import median_seconds
from server.device.torch_engine import MOST_BAND_PIXELS, run_generator
from server.device.vulkan.devices import VulkanDevice
from server.device.vulkan.network import VulkanNetwork
from server.device.winograd_engine import PATIENCE, SAMPLE, measure_engines
from server.errors import CannotRun
from server.pipeline.engine import Engine
from server.pipeline.model_key import ModelKey
from server.pipeline.model_store import ModelStore
from weights import Generator, build_generator

NAME = "vulkan"

log = logging.getLogger(__name__)


class VulkanEngine(CheckedEngine):
    """One Vulkan device, and the CPU beside it.

    Args:
        store: where generators come from.
        device: which one.
        cpu: runs what this one cannot.
        max_batch: tiles that a run may hold at most.
    """

    engine = NAME
    left = "on_cpu"

    def __init__(self, store: ModelStore, device: VulkanDevice, cpu: Engine, *, max_batch: int = 16) -> None:
        sizing = TileSizing(is_cpu=False, max_batch=max_batch, most_band_pixels=MOST_BAND_PIXELS)
        super().__init__(device.device, store, cpu, sizing)
        self._index = device.index

    def _build(self, generator: Generator) -> Network:
        return VulkanNetwork(generator, self._index)

    def _run(self, key: ModelKey, network: Network, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            return super()._run(key, network, tiles)
        except MemoryError:
            self.sizing.learn_limit(key, tiles.shape)
            log.warning("device memory ran out", extra={"device": self.name, "tiles": list(tiles.shape)})
            halved = run_in_halves(lambda half: self._run(key, network, half), tiles, key.halo)
            if halved is None:
                raise
            return halved


def measure_vulkan(index: int) -> dict[str, float]:
    """Measure a Vulkan device beside the CPU's engines on one generator.

    Args:
        index: the device's.

    Returns:
        Seconds of two tiles of 64×64 for each engine by its name; infinite for Vulkan where it fails or gives other
        pixels than torch.
    """
    generator, tiles = build_generator("compact", SAMPLE).eval(), self_test_tiles()
    try:
        seconds = measure_engines()
    except CannotRun:  # no kernel: torch alone
        placed = place(generator, CPU, torch.float32)
        seconds = {"torch": median_seconds(lambda: run_generator(placed, CPU, torch.float32, tiles), PATIENCE)}
    try:
        network = VulkanNetwork(generator, index)
        difference = largest_difference(run_generator(generator, CPU, torch.float32, tiles), network(tiles))
        taken = median_seconds(lambda: network(tiles), PATIENCE) if difference <= LIMIT else float("inf")
    except (MemoryError, CannotRun) as fault:
        log.warning("Vulkan device fails", extra={"index": index, "fault": str(fault)})
        taken = float("inf")
    return {**seconds, NAME: taken}
