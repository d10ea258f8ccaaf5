"""What a generator is, and the file it is kept in. Knows neither the server nor the trainer.

    generators/    architectures by name, and the sum with the nearest-neighbour enlargement
    file_format    one .safetensors: tensors, and metadata that rebuilds the generator
    interpolation  a pair of generators, and what lies between
    winograd/      C++ built on the user's machine
    atomic         files that are replaced whole or not at all
    errors         everything raised on purpose

Names of modules that import torch are resolved when they are first used, because what needs only `atomic` or `errors`
should not wait for torch. The shipped weights files and their cards lie beside these modules.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from weights.errors import (
    BrokenWeightsFile,
    BuildFailed,
    ForeignFolder,
    HashMismatch,
    InvalidConfig,
    InvalidMetadata,
    KeyMismatch,
    MissingLibrary,
    NativeError,
    NoCompiler,
    NotANetwork,
    NotAWeightsFile,
    ShapeMismatch,
    UnknownArchitecture,
    UnknownFormat,
    WeightsError,
)
from weights.metadata import WeightsMetadata

if TYPE_CHECKING:
    from weights.file_format import LoadedWeights, load_generator, read_metadata, save_generator
    from weights.generators.base import SCALE, Enlarge, Generator, GeneratorConfig, enlarge, parameter_count
    from weights.generators.periodic import periodic
    from weights.generators.registry import ARCHITECTURES, build_generator
    from weights.interpolation import interpolate

__all__ = [
    "ARCHITECTURES",
    "SCALE",
    "BrokenWeightsFile",
    "BuildFailed",
    "Enlarge",
    "ForeignFolder",
    "Generator",
    "GeneratorConfig",
    "HashMismatch",
    "InvalidConfig",
    "InvalidMetadata",
    "KeyMismatch",
    "LoadedWeights",
    "MissingLibrary",
    "NativeError",
    "NoCompiler",
    "NotANetwork",
    "NotAWeightsFile",
    "ShapeMismatch",
    "UnknownArchitecture",
    "UnknownFormat",
    "WeightsError",
    "WeightsMetadata",
    "build_generator",
    "enlarge",
    "interpolate",
    "load_generator",
    "parameter_count",
    "periodic",
    "read_metadata",
    "save_generator",
]

_LAZY = {
    "file_format": ("LoadedWeights", "load_generator", "read_metadata", "save_generator"),
    "generators.base": ("SCALE", "Enlarge", "Generator", "GeneratorConfig", "enlarge", "parameter_count"),
    "generators.registry": ("ARCHITECTURES", "build_generator"),
    "interpolation": ("interpolate",),
    "generators.periodic": ("periodic",),
}


def __getattr__(name: str) -> Any:
    """Import a name of `__all__` from the module that defines it (PEP 562)."""
    for module, names in _LAZY.items():
        if name in names:
            return getattr(import_module(f"weights.{module}"), name)
    raise AttributeError(f"module 'weights' has no attribute {name!r}")
