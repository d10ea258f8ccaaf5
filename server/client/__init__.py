"""The protocol as its clients speak it: the plug-ins (each carries a copy of this package) and the command line.

Standard library only, Python 3.10 or newer, because the editors' own interpreters have nothing else; knows nothing of
flask, torch or numpy. This module is the whole interface; its siblings hold the parts and import each other relatively.
"""

from .api import estimate_cleanup, iter_pixels, models, status, upscale
from .connection import is_healthy
from .enlargement import Enlargement
from .geometry import CONTEXT, Region, cut, fingerprint
from .plugin import connect, log_fault, running_server
from .preview import LatestOnly, fitted, patch_about, pointed_at
from .progress import Progress
from .protocol import (
    DEFAULT_PORT,
    DEPTHS,
    LAYOUTS,
    PROTOCOL_VERSION,
    RUNTIME_VARIABLE,
    SCALE,
    TRANSFERS,
    Cancel,
    Cancelled,
    Chosen,
    ClientError,
    NoServer,
    Options,
    PixelFormat,
    Refused,
    Runtime,
    ServerDied,
    ServerStartFailed,
    Size,
    UnsafeRuntimeFile,
    UntrustedServer,
    WrongAnswer,
    WrongPixels,
    WrongSize,
)
from .records import Installation, log_path, read_installation, read_runtime, runtime_path
from .sampling import Samples, sampled_regions, take_samples
from .sizing import LEAST_FACTOR, MOST_FACTOR, Target, can_become, computed_pixels
from .start import find_or_start, in_sandbox, installation_beside, sandbox_sentence

__all__ = [
    "CONTEXT",
    "DEFAULT_PORT",
    "DEPTHS",
    "LAYOUTS",
    "LEAST_FACTOR",
    "MOST_FACTOR",
    "PROTOCOL_VERSION",
    "RUNTIME_VARIABLE",
    "SCALE",
    "TRANSFERS",
    "Cancel",
    "Cancelled",
    "Chosen",
    "ClientError",
    "Enlargement",
    "Installation",
    "LatestOnly",
    "NoServer",
    "Options",
    "PixelFormat",
    "Progress",
    "Refused",
    "Region",
    "Runtime",
    "Samples",
    "ServerDied",
    "ServerStartFailed",
    "Size",
    "Target",
    "UnsafeRuntimeFile",
    "UntrustedServer",
    "WrongAnswer",
    "WrongPixels",
    "WrongSize",
    "can_become",
    "computed_pixels",
    "connect",
    "cut",
    "estimate_cleanup",
    "find_or_start",
    "fingerprint",
    "fitted",
    "in_sandbox",
    "installation_beside",
    "is_healthy",
    "iter_pixels",
    "log_fault",
    "log_path",
    "models",
    "patch_about",
    "pointed_at",
    "read_installation",
    "read_runtime",
    "running_server",
    "runtime_path",
    "sampled_regions",
    "sandbox_sentence",
    "status",
    "take_samples",
    "upscale",
]
