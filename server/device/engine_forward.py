"""What every engine gives: a function from tiles to enlarged tiles. Heavy packages are imported in use, not before.

EngineFault
└── Unavailable      the package, the compiler, or a form of this generator is missing
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from weights import Generator
from weights.native import compiler

TORCH = "torch"  # eager torch: always there, the first to run, the one the others are held against
CANDIDATES = ("winograd", "openvino", "compile", "onnxruntime")
NEEDS = {"openvino": ("openvino",), "onnxruntime": ("onnxruntime", "onnx"), "compile": (), "winograd": ()}
MODULES = {
    "winograd": "winograd.network", "openvino": "openvino_forward", "onnxruntime": "onnx_forward",
    "compile": "compile_forward",
}  # fmt: skip
COMPILED = ("winograd", "compile")


class EngineFault(Exception):
    """Base of what can go wrong with an engine; none of it stops the server, which stays on torch."""


class Unavailable(EngineFault):
    """This engine cannot be built here."""


class Forward(Protocol):
    """A generator made ready for one engine; used by one thread at a time."""

    def __call__(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enlarge (N, 3, H, W), contiguous float32, 0…1, to (N, 3, 2H, 2W), float32; any N, H and W."""


class Builder(Protocol):
    """What each engine's module offers as `build`."""

    def __call__(self, generator: Generator, threads: int) -> Forward:
        """Make a generator ready: float32, on the CPU, evaluation mode; raises `Unavailable`."""


def missing(name: str) -> str:
    """Say why an engine cannot run here, as a clause; empty where it can. Imports nothing."""
    absent = [package for package in NEEDS[name] if importlib.util.find_spec(package) is None]
    if absent:
        return f"{name} needs {' and '.join(absent)}: pip install {' '.join(absent)}"
    if name in COMPILED and compiler() is None:
        return f"{name} needs a C++ compiler, and none was found"
    return ""


def available() -> list[str]:
    """Give the engines that can be tried here beside torch."""
    return [name for name in CANDIDATES if not missing(name)]


def build(name: str, generator: Generator, threads: int) -> Forward:
    """Make a generator ready for an engine.

    Args:
        name: one of CANDIDATES.
        generator: float32, on the CPU, evaluation mode; not changed.
        threads: how many the engine may use.

    Returns:
        The form of the generator that runs on that engine.

    Raises:
        Unavailable: a package or compiler is missing, or the engine has no form of this architecture.
    """
    reason = missing(name)
    if reason:
        raise Unavailable(f"{reason}; or choose another --engine.")
    module = importlib.import_module(f"server.device.{MODULES[name]}")
    return cast(Builder, module.build)(generator, threads)
