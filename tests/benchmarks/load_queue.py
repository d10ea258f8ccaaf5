"""Batches against single tiles at the queue itself: no HTTP, no pixels to convert."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from server.device.torch_engine import TorchEngine
from server.pipeline.model_store import ModelStore
from server.pipeline.queue import TileQueue
from tests.server.in_process import save_compact

ROUNDS, TILES = 4, 10


def batches_against_single_tiles(clients: int) -> dict[str, object]:
    """Compare tiles of 64×64 a second with max_batch 16 and 1, in turn; prints and returns the medians."""
    with tempfile.TemporaryDirectory() as folder:
        save_compact(Path(folder), "compact-faithful")
        rates = {16: [0.0] * 0, 1: [0.0] * 0}
        for _ in range(ROUNDS):
            for max_batch, found in rates.items():
                found.append(_rate(Path(folder), clients, max_batch))
    batched, single = (float(np.median(rates[each])) for each in (16, 1))
    told = {
        "part": "icons at the queue", "clients": clients, "batched_per_second": round(batched, 1),
        "single_per_second": round(single, 1), "ratio": round(batched / single, 2),
    }  # fmt: skip
    print(json.dumps(told), flush=True)
    return told


def _rate(folder: Path, clients: int, max_batch: int) -> float:
    store = ModelStore([folder])
    key = store.resolve()
    queue = TileQueue(max_batch=max_batch)
    queue.start([TorchEngine(store, max_batch=max_batch)])
    side = 64 + 2 * key.halo
    tile = np.random.default_rng(0).random((3, side, side), dtype=np.float32)

    def one() -> None:
        with queue.open() as job:
            for _ in range(TILES):
                job.collect(job.submit(key, [tile]))

    with queue.open() as warm:
        warm.collect(warm.submit(key, [tile] * 20))
    threads = [threading.Thread(target=one) for _ in range(clients)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = clients * TILES / (time.perf_counter() - begun)
    queue.stop()
    return rate
