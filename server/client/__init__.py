"""The protocol as its clients speak it: the plug-ins (each carries a copy of this package) and the command line.

Standard library only, Python 3.10 or newer, because the editors' own interpreters have nothing else; knows nothing of
flask, torch or numpy. This module is the whole interface; its siblings hold the parts and import each other relatively.
"""

from .api import iter_pixels, models, status, upscale
from .connection import is_healthy
from .geometry import CONTEXT, Region, cut, fingerprint
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
    ClientError,
    NoServer,
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
)
from .records import Installation, log_path, read_installation, read_runtime, runtime_path
from .start import find_or_start, in_sandbox, installation_beside, sandbox_sentence

__all__ = [
    "CONTEXT",
    "DEFAULT_PORT",
    "DEPTHS",
    "LAYOUTS",
    "PROTOCOL_VERSION",
    "RUNTIME_VARIABLE",
    "SCALE",
    "TRANSFERS",
    "Cancel",
    "Cancelled",
    "ClientError",
    "Installation",
    "NoServer",
    "PixelFormat",
    "Progress",
    "Refused",
    "Region",
    "Runtime",
    "ServerDied",
    "ServerStartFailed",
    "Size",
    "UnsafeRuntimeFile",
    "UntrustedServer",
    "WrongAnswer",
    "WrongPixels",
    "cut",
    "find_or_start",
    "fingerprint",
    "in_sandbox",
    "installation_beside",
    "is_healthy",
    "iter_pixels",
    "log_path",
    "models",
    "read_installation",
    "read_runtime",
    "runtime_path",
    "sandbox_sentence",
    "status",
    "upscale",
]
