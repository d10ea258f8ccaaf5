"""The server's inside without its web side: a real queue, a real torch engine, small generators of fixed seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import weights
from server.client.protocol import PixelFormat, Size
from server.device.torch_engine import TorchEngine
from server.pipeline.composition import enlarged_bands
from server.pipeline.engine import Engine, Plan
from server.pipeline.model_key import ModelKey
from server.pipeline.model_store import ModelStore
from server.pipeline.queue import TileQueue
from server.pipeline.upscale import Picture

UNTILED = Plan(tile=4096, band_pixels=1 << 30)
SMALL_TILES = Plan(tile=64, band_pixels=1)


def save_compact(
    folder: Path, name: str, *, seed: int = 0, gain: float = 1.0, bias: float = 0.0, features: int = 16
) -> Path:
    """Save a small `compact` of fixed random parameters; `gain` scales what it adds, `bias` shifts it."""
    torch.manual_seed(seed)
    generator = weights.build_generator("compact", {"features": features, "layers": 4})
    with torch.no_grad():
        last = generator.body[-1]
        last.weight.mul_(gain)
        last.bias.mul_(gain).add_(bias)
    path = folder / f"{name}.safetensors"
    told = weights.WeightsMetadata("compact", {}, weights.SCALE, halo=generator.receptive_radius, title=name)
    weights.save_generator(generator, told, path)
    return path


class Bench:
    """Enlarges arrays with one model."""

    def __init__(self, store: ModelStore, queue: TileQueue) -> None:
        self.store, self.queue = store, queue

    def key(self, model: str = "auto", detail: float | None = None) -> ModelKey:
        return self.store.resolve(model, detail)

    def enlarge(
        self, samples: NDArray[Any], layout: str, depth: str, transfer: str = "perceptual",
        *, plan: Plan | None = None, model: str = "auto", detail: float | None = None, result: Size | None = None,
    ) -> NDArray[Any]:  # fmt: skip
        """Enlarge (H, W, S) to a size, or to (2H, 2W, S)."""
        height, width = samples.shape[:2]
        picture = Picture(
            Size(width, height), PixelFormat(layout, depth, transfer), lambda first, last: samples[first:last]
        )
        key = self.key(model, detail)
        with self.queue.open() as job:
            if plan is not None:
                fixed = plan
                job.plan = lambda key: fixed  # type: ignore[method-assign]
            bands = enlarged_bands(picture, result or picture.size.enlarged(), job, key, self.store.following(key))
            return np.concatenate(list(bands))


def exact(store: ModelStore) -> TorchEngine:
    """Make an engine that gives the same pixels on every machine, whatever precisions its processor has units for."""
    return TorchEngine(store, dtype="float32")


@contextmanager
def bench(
    folder: Path, make_engines: Callable[[ModelStore], list[Engine]] | None = None, **options: Any
) -> Iterator[Bench]:
    """Run a queue over the models of a folder."""
    store = ModelStore([folder])
    queue = TileQueue(**options)
    queue.start(make_engines(store) if make_engines else [exact(store)])
    try:
        yield Bench(store, queue)
    finally:
        queue.stop()


def photo_like(height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    """Make a smooth random picture (H, W, 3), 0…1, with an edge."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    noise = np.fft.irfft2(np.fft.rfft2(random.standard_normal((3, height, width))) / frequency, s=(height, width))
    noise = 0.5 + 0.18 * noise / max(noise.std(), 1e-9)
    noise[:, :, width // 2 :] *= 0.6
    return np.ascontiguousarray(np.clip(noise, 0, 1).astype(np.float32).transpose(1, 2, 0))
