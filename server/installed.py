"""What is known of this installation: the package's version, where its weights lie. Standard library only."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import server


def version() -> str:
    """Return the installed package's version, or "0" in a checkout that was never installed."""
    try:
        return importlib.metadata.version("neural-upscale")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def shipped_weights() -> Path:
    """Return the folder of the weights that come with the package, without importing it."""
    return Path(server.__file__).resolve().parent.parent / "weights"
