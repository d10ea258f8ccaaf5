"""Which devices there are, and which serve: one engine for each. This is where torch is first imported.

auto   CUDA; else MPS; else a Vulkan device that is no software, gives torch's pixels and is faster than the CPU; else
       the CPU
"""

from __future__ import annotations

import platform
import re
import shutil
import sys
from pathlib import Path

import torch

from server.device.engine_choice import EngineChoice
from server.device.torch_engine import TorchEngine
from server.device.vulkan.devices import has_ncnn, vulkan_devices
from server.device.vulkan_engine import NAME as VULKAN
from server.device.vulkan_engine import VulkanEngine, measure_vulkan
from server.device.winograd_engine import WinogradEngine, measure_engines
from server.errors import CannotStart
from server.pipeline.engine import Engine
from server.pipeline.model_store import ModelStore
from server.settings import Settings
from weights.winograd import processor


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
    names = _automatic(settings) if settings.device == "auto" else settings.device.split(",")
    engines: list[Engine] = []
    for name in names:
        _check(name)
        vulkan = name.startswith("vulkan")
        engine = TorchEngine(store, "cpu" if vulkan else name, settings.dtype, max_batch=settings.max_batch)
        with_winograd = _with_winograd(engine, settings, store) if vulkan or names == ["cpu"] else engine
        engines.append(_with_vulkan(with_winograd, name, settings, store) if vulkan else with_winograd)
    store.fast = all(not name.startswith(("cpu", "vulkan")) for name in names)
    return engines


def found_devices() -> list[dict[str, str]]:
    """Return every device of this machine: `device` as `--device` calls it, and `name`."""
    found = [{"device": f"cuda:{index}", "name": torch.cuda.get_device_name(index)} for index in range(_cuda_count())]
    found += [{"device": "mps", "name": "Apple GPU"}] if torch.backends.mps.is_available() else []
    found += [{"device": each.device, "name": each.name} for each in vulkan_devices()]
    return [*found, {"device": "cpu", "name": _processor_name()}]


def _processor_name() -> str:
    """Return the processor's name where the operating system tells it in Linux's way, else its kind."""
    _, is_told, name = processor().partition("model name")
    if is_told:
        return re.split("flags|Features|CPU part", name)[0].strip(" \t:")
    return f"{platform.machine()} {platform.processor()}".strip()


def unused_card() -> str:
    """Return a sentence where there is an NVIDIA card that this torch was not built for; empty elsewhere."""
    is_there = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi") is not None
    if not is_there or torch.version.cuda is not None:
        return ""
    plain = "the plain torch (make run without TORCH=cpu, or uv tool install without --torch-backend)"
    # What Windows gets from PyPI is a CPU build.
    remedy = "again with: uv tool install --force --torch-backend auto PATH-OF-THE-WHEEL"
    return (
        f"There is an NVIDIA card, but torch {torch.__version__} is built for CPUs only; install "
        f"{remedy if sys.platform == 'win32' else plain}."
    )


def _with_winograd(engine: TorchEngine, settings: Settings, store: ModelStore) -> Engine:
    if settings.engine == "torch":
        return engine
    choice = EngineChoice(settings.engine_choice, measure_engines) if settings.engine == "auto" else None
    return WinogradEngine(store, engine, choice, max_batch=settings.max_batch, folder=settings.native)


def _with_vulkan(cpu: Engine, name: str, settings: Settings, store: ModelStore) -> Engine:
    device = next(each for each in vulkan_devices() if name in ("vulkan", each.device))
    return VulkanEngine(store, device, cpu, max_batch=settings.max_batch)


def _automatic(settings: Settings) -> list[str]:
    if torch.cuda.is_available():
        return ["cuda:0"]
    if torch.backends.mps.is_available():
        return ["mps"]
    real = [each for each in vulkan_devices() if each.is_real]
    if real and settings.engine == "auto":
        choice = EngineChoice(
            settings.engine_choice.with_name("vulkan.json"), lambda: measure_vulkan(real[0].index),
            beside=f"{real[0].name} {real[0].version}",
        )  # fmt: skip
        if choice.fastest() == VULKAN:
            return [real[0].device]
    return ["cpu"]


def _cuda_count() -> int:
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _check(name: str) -> None:
    if re.fullmatch(r"vulkan(:\d+)?", name) and not has_ncnn():
        raise CannotStart(f'--device {name} needs ncnn, which is not installed: pip install "neural-upscale[vulkan]".')
    there = ["cpu", *(["mps"] if torch.backends.mps.is_available() else [])]
    there += [f"cuda:{index}" for index in range(_cuda_count())]
    if name.startswith("vulkan"):  # only then: it takes a process to look
        there += [each.device for each in vulkan_devices()]
    if name not in there and f"{name}:0" not in there:
        raise CannotStart(f"--device names {name!r}; this machine has {', '.join(there)}; choose one of them, or auto.")
