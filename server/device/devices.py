"""Which devices serve: one engine for each. This is where torch is first imported, in the background."""

from __future__ import annotations

import re

import torch

from server.device.engine_choice import EngineChoice
from server.device.torch_engine import TorchEngine
from server.device.winograd_engine import WinogradEngine, measure_engines
from server.errors import CannotStart
from server.pipeline.engine import Engine
from server.pipeline.model_store import ModelStore
from server.settings import Settings


def build_engines(settings: Settings, store: ModelStore) -> list[Engine]:
    """Make an engine for every device named; one CPU alone gets Winograd beside torch.

    Args:
        settings: `device`, `dtype` and `engine`.
        store: where the engines get their generators.

    Returns:
        At least one engine.

    Raises:
        CannotStart: a device is unknown or not there.
    """
    names = _automatic() if settings.device == "auto" else settings.device.split(",")
    engines: list[Engine] = []
    for name in names:
        _check(name)
        engine = TorchEngine(store, name, settings.dtype, max_batch=settings.max_batch)
        engines.append(_with_winograd(engine, settings, store) if names == ["cpu"] else engine)
    store.fast = all(not name.startswith("cpu") for name in names)
    return engines


def _with_winograd(engine: TorchEngine, settings: Settings, store: ModelStore) -> Engine:
    if settings.engine == "torch":
        return engine
    choice = EngineChoice(settings.engine_choice, measure_engines) if settings.engine == "auto" else None
    return WinogradEngine(store, engine, choice, max_batch=settings.max_batch, folder=settings.native)


def _automatic() -> list[str]:
    if torch.cuda.is_available():
        return ["cuda:0"]
    return ["mps"] if torch.backends.mps.is_available() else ["cpu"]


def _check(name: str) -> None:
    if name == "cpu" or (name == "mps" and torch.backends.mps.is_available()):
        return
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    number = re.fullmatch(r"cuda(?::(\d+))?", name)
    if number is None or int(number[1] or 0) >= found:
        there = ", ".join(["cpu", *(["mps"] if torch.backends.mps.is_available() else [])])
        there += "".join(f", cuda:{index}" for index in range(found))
        raise CannotStart(f"--device names {name!r}; this machine has {there}; choose one of them, or auto.")
