"""What a generator is, and the file it is kept in. Knows neither the server nor the trainer.

    registry ──▶ compact, dilated_rrdb, rrdb, espcn ──▶ generator        architectures
    files ──▶ metadata, registry                                         one .safetensors: tensors + what they are
    interpolation                                                        a pair, and what lies between
    native/                                                              C++ built on the user's machine
    errors                                                               everything raised on purpose

The shipped weights files and their cards stand beside these modules.
"""

from weights.errors import (
    BrokenWeightsFile,
    BuildFailed,
    ForeignFolder,
    HashMismatch,
    InvalidConfig,
    InvalidMetadata,
    KeyMismatch,
    NativeError,
    NoCompiler,
    NotAWeightsFile,
    ShapeMismatch,
    UnknownArchitecture,
    UnknownFormat,
    WeightsError,
)
from weights.file_format import LoadedWeights, load_generator, read_metadata, save_generator
from weights.generators.base import SCALE, Generator, GeneratorConfig, enlarge, parameter_count
from weights.generators.registry import ARCHITECTURES, build_generator
from weights.interpolation import interpolate
from weights.metadata import WeightsMetadata

__all__ = [
    "ARCHITECTURES",
    "SCALE",
    "BrokenWeightsFile",
    "BuildFailed",
    "ForeignFolder",
    "Generator",
    "GeneratorConfig",
    "HashMismatch",
    "InvalidConfig",
    "InvalidMetadata",
    "KeyMismatch",
    "LoadedWeights",
    "NativeError",
    "NoCompiler",
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
    "read_metadata",
    "save_generator",
]
