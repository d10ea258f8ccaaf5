"""The doctor's look at the machine: Python, torch, device and its self-test, memory, weights files."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.cli.doctor_row import FAIL, NOTE, OK, Row

if TYPE_CHECKING:
    from server.pipeline.model_store import ModelKey, ModelStore

OLDEST_PYTHON = (3, 10)
LITTLE_MEMORY = 1 << 30  # bytes
REINSTALL = "install the package again: make run"


def machine_rows(folders: list[Path] | None = None) -> list[Row]:
    """Look at the machine; torch is imported, and a tile is enlarged.

    Args:
        folders: of weights files; None for the shipped and the user's.

    Returns:
        The rows.
    """
    if folders is None:
        from server.installed import shipped_weights
        from server.settings import user_weights_folder

        folders = [shipped_weights(), user_weights_folder()]
    rows = [_python_row(), _torch_row(), _memory_row(available_memory())]
    if rows[1].state == FAIL:
        return rows
    return [*rows, *_weights_rows(folders), *_device_rows(folders)]


def _python_row() -> Row:
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < OLDEST_PYTHON:
        return Row("Python", FAIL, found, "expected 3.10 or newer: make run PYTHON=/path/to/python3")
    return Row("Python", OK, found)


def _torch_row() -> Row:
    try:
        import torch
    except (ImportError, OSError) as fault:  # OSError: a library of its own cannot be loaded
        return Row("torch", FAIL, f"cannot be imported: {fault}", REINSTALL)
    return Row("torch", OK, f"{torch.__version__}, {torch.get_num_threads()} threads on the CPU")


def available_memory() -> int | None:
    """Give the bytes of main memory that programs can still have; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _memory_row(available: int | None) -> Row:
    if available is None:
        return Row("free memory", OK, "this system does not tell")
    found = f"{available / (1 << 30):.1f} GiB"
    if available < LITTLE_MEMORY:
        return Row("free memory", NOTE, found, "little: close other programs before large pictures")
    return Row("free memory", OK, found)


def _weights_rows(folders: list[Path]) -> Iterator[Row]:
    from weights import WeightsError, load_generator

    found = [path for folder in folders for path in sorted(folder.glob("*.safetensors"))]
    for path in found:
        subject = f"weights {path.stem}"
        try:
            metadata = load_generator(path).metadata
        except (WeightsError, OSError) as fault:
            yield Row(subject, FAIL, f"{path}: {fault}", "copy the file again from where it came, or remove it")
            continue
        yield Row(subject, OK, f"sha256 {metadata.sha256[:16]}, {metadata.architecture}, halo {metadata.halo}, {path}")
    if not found:
        yield Row("weights", FAIL, f"none in {' or '.join(map(str, folders))}", REINSTALL)


def _device_rows(folders: list[Path]) -> Iterator[Row]:
    from server.device.devices import build_engines
    from server.errors import CannotStart, ServerError
    from server.pipeline.model_store import ModelStore
    from server.settings import Settings

    store = ModelStore(folders)
    try:
        engines = build_engines(Settings(), store)
    except (CannotStart, RuntimeError) as fault:
        yield Row("device", FAIL, str(fault), "start the server on the CPU: neural-upscale serve --device cpu")
        return
    for engine in engines:
        subject = f"device {engine.name}"
        try:
            key = store.resolve()
            engine.warm_up(key)
        except (ServerError, RuntimeError) as fault:
            remedy = "put a usable weights file there, or try: neural-upscale serve --device cpu --dtype float32"
            yield Row(subject, FAIL, f"a tile could not be enlarged: {fault}", remedy)
        else:
            yield Row(subject, OK, _speed(engine.describe(), key.name, store))
            if "engine" in engine.describe():
                yield _engine_row(engine, store, key)


def _engine_row(engine: Any, store: ModelStore, key: ModelKey) -> Row:
    from server.device.engine_forward import TORCH, available
    from server.device.engine_record import Remembered
    from server.device.engine_trial import Host
    from server.settings import Settings

    fastest = Remembered(Settings().cache / "engines.json").fastest(Host(engine, store).identity(key))
    chosen = (
        f"{fastest}, the fastest measured here" if fastest else "torch, until a large picture has shown the fastest"
    )
    found = f"{chosen}; can run: {', '.join([TORCH, *available()])}"
    if {"openvino", "onnxruntime"} & set(available()):
        return Row("engine", OK, found)
    return Row("engine", NOTE, found, f"to be faster, perhaps: {'; '.join(engine.describe()['engine']['missing'])}")


def _speed(told: dict[str, Any], model: str, store: ModelStore) -> str:
    dtypes = {each["dtype"] for each in told["loaded"]}
    speed = max(told["megapixels_per_second"].values(), default=0.0)
    memory = told.get("memory") or {}
    free = f", {memory['free'] / (1 << 30):.1f} GiB free of {memory['total'] / (1 << 30):.1f}" if memory else ""
    kind = "fast" if store.fast else "slow"
    return (
        f"self-test passed in {' and '.join(sorted(dtypes))}; auto is {model}, "
        f"about {speed:.2g} megapixels a second on torch ({kind} device){free}"
    )
