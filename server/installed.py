"""What is known of this installation: its version, where its weights lie, how its code runs. Standard library only."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import server

ROOT = Path(server.__file__).resolve().parents[1]


def version() -> str:
    """Return the installed package's version, or "0" in a checkout that was never installed."""
    try:
        return importlib.metadata.version("neural-upscale")
    except importlib.metadata.PackageNotFoundError:
        return "0"


def shipped_weights() -> Path:
    """Return the folder of the weights that come with the package, without importing it."""
    return ROOT / "weights"


def python_command(statements: str) -> list[str]:
    """Return the command of another Python that finds what this one does, whatever lies in the current folder.

    `python -m server.…` would run somebody else's `server.py` there.

    Args:
        statements: what it runs; they may import from `server` and `weights`.

    Returns:
        The words of the command.
    """
    ours = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import server, weights; sys.path[:] = {sys.path!r}"
    return [sys.executable, "-c", f"{ours}; {statements}"]
