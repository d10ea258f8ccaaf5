"""What runs on the other side: one device with its generators, in a process that Ray starts. Does not import ray.

The weights come with the first batch that needs them, so the machines of a cluster share nothing but this package.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from server.client.files import write_file
from server.device.torch_engine import TorchEngine
from server.installed import version
from server.pipeline.engine import Plan
from server.pipeline.model_file import stamp_of
from server.pipeline.model_key import ModelKey
from server.pipeline.model_store import ModelStore
from server.settings import cache_folder

KEPT_DAYS = 30  # after which weights that nobody used are removed


@dataclass(frozen=True)
class Begun:
    """Who answers: the package's version, the process, the machine."""

    version: str
    pid: int
    host: str


@dataclass(frozen=True)
class Answer:
    """A batch's result."""

    pixels: NDArray[np.float32]  # (N, 3, scale·H, scale·W), float32, finite
    plan: Plan  # how the device wants pictures cut, by what it knows now
    limit: int  # how many such tiles it takes in one run


class RemoteEngine:
    """One device; its methods are called one after the other."""

    def __init__(self, device: str, dtype: str, max_batch: int, threads: int) -> None:
        torch.set_num_threads(threads)
        # not "weights": on Windows that is the folder of the user's own, and old files here are removed
        self._folder = cache_folder().with_name("worker-weights")
        self._engine = TorchEngine(ModelStore([]), device, dtype, max_batch=max_batch)
        self._local: dict[ModelKey, ModelKey] = {}  # the same generators, with the paths of this machine

    def begin(self) -> Begun:
        """Return who answers."""
        return Begun(version(), os.getpid(), socket.gethostname())

    def learn(self, key: ModelKey, *contents: bytes) -> Plan:
        """Load a generator and learn the device's speed with it.

        Args:
            key: with the paths of the server's machine.
            *contents: the weights files that the key names, in its order.

        Returns:
            How the device wants pictures cut.
        """
        paths = tuple(_placed(self._folder, each) for each in contents)
        local = self._local[key] = replace(key, files=paths, stamps=tuple(stamp_of(path) for path in paths))
        self._engine.warm_up(local)
        return self._engine.plan(local)

    def run(self, key: ModelKey, tiles: NDArray[np.float32]) -> Answer:
        """Enlarge (N, 3, H, W), float32, 0…1, context included, with a generator learnt before."""
        local = self._local[key]
        # Ray lends its arrays read-only, from memory that all processes share; torch wants its own.
        pixels = self._engine.run(local, np.array(tiles))
        return Answer(pixels, self._engine.plan(local), self._engine.batch_limit(local, *tiles.shape[2:]))

    def free(self) -> None:
        """Return the device's memory to the system."""
        self._engine.free()

    def describe(self) -> dict[str, Any]:
        """Return what `/v1/status` shows of this device."""
        return self._engine.describe()


def _placed(folder: Path, contents: bytes) -> Path:
    """Put a weights file where it is found by its contents, and remove what has long been of no use."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(contents).hexdigest()}.safetensors"
    if path.exists() and path.stat().st_size == len(contents):
        if time.time() - path.stat().st_mtime > 86400:  # not oftener: keys hold the file's state
            path.touch()
    else:
        write_file(path, contents)
    for other in folder.glob("*.safetensors"):
        with contextlib.suppress(OSError):
            if time.time() - other.stat().st_mtime > KEPT_DAYS * 86400:
                other.unlink()
    return path
