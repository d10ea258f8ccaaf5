"""The doctor's look at this machine: Python, torch, memory, weights, devices."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.cli.doctor.rows import FAIL, NOTE, OK, REINSTALL, Row
from server.plugins.install import store_python

if TYPE_CHECKING:
    from server.pipeline.model_store import ModelStore
    from server.settings import Settings

OLDEST_PYTHON = (3, 10)
LITTLE_MEMORY = 1 << 30  # bytes


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
        return Row("Python", FAIL, found, "expected 3.10 or newer: install one, and the package into it")
    if reason := store_python():
        return Row("Python", FAIL, found, reason)
    return Row("Python", OK, found)


def _torch_row() -> Row:
    try:
        import torch
    except (ImportError, OSError) as fault:  # OSError: a library of its own cannot be loaded
        intel_mac = sys.platform + platform.machine() == "darwinx86_64"
        remedy = (
            "torch 2.6 and newer is not made for Macs with Intel processors: use a server elsewhere (docs/remote.md)"
        )
        return Row("torch", FAIL, f"cannot be imported: {fault}", remedy if intel_mac else REINSTALL)
    return Row("torch", OK, f"{torch.__version__}, {torch.get_num_threads()} threads on the CPU")


def available_memory() -> int | None:
    """Return the bytes of main memory that programs can still have; None where the system does not tell."""
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

    found = [path for folder in folders for path in sorted(folder.glob("[!.]*.safetensors"))]
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
    from server.device.vulkan.devices import vulkan_devices
    from server.pipeline.model_store import ModelStore
    from server.settings import Settings

    store = ModelStore(folders)
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(engine="winograd")  # tried rather than measured: a measurement would be kept
        if not settings.native.exists():
            settings = replace(settings, cache=Path(folder) / "spool")
        yield _found_row()
        yield from _tried(settings, store)
        for device in (each for each in vulkan_devices() if each.is_real):
            yield from _tried(replace(settings, device=device.device), store)


def _found_row() -> Row:
    from server.device.devices import found_devices, unused_card

    found = ", ".join(f"{each['device']} ({each['name']})" for each in found_devices())
    remedy = unused_card()
    return Row("all devices", NOTE if remedy else OK, found, remedy)


def _tried(settings: Settings, store: ModelStore) -> Iterator[Row]:
    from server.device.devices import build_engines
    from server.errors import CannotStart, ServerError

    try:
        engines = build_engines(settings, store)
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
            described = engine.describe()
            yield Row(subject, OK, _speed(described, key.name, store))
            if "engine" in described:
                yield _engine_row(described["engine"])


def _engine_row(engine: dict[str, Any]) -> Row:
    if engine["running"]:
        return Row("engine", OK, ", ".join(sorted(set(engine["running"].values()))))
    reasons = [*engine.get("on_cpu", {}).values(), *engine["on_torch"].values()]
    reason = next(iter(reasons), "no model was tried")
    remedy = "the wheel for this system brings a kernel about three times as fast; a checkout needs g++ or clang++"
    return Row("engine", NOTE, f"torch, because {reason}", remedy if "compiler" in reason else "")


def _speed(device: dict[str, Any], model: str, store: ModelStore) -> str:
    dtypes = {each["dtype"] for each in device["loaded"]}
    speed = max(device["megapixels_per_second"].values(), default=0.0)
    memory = device.get("memory") or {}
    free = f", {memory['free'] / (1 << 30):.1f} GiB free of {memory['total'] / (1 << 30):.1f}" if memory else ""
    kind = "fast" if store.fast else "slow"
    return (
        f"self-test passed in {' and '.join(sorted(dtypes))}; auto is {model}, "
        f"about {speed:.2g} megapixels a second ({kind} device){free}"
    )
