"""Locates the user's folders on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def user_weights_folder(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Return the folder in which the server finds the user's own weights files; a test holds it to the server's.

    Args:
        environment: Environment variables.
        platform: As `sys.platform`.

    Returns:
        The folder; it need not exist.
    """
    return _base(environment, platform, "Application Support", "XDG_DATA_HOME", ".local/share") / "weights"


def cache_folder(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Return the folder of what was fetched or built: `NEURAL_UPSCALE_CACHE`, else the server's; a test holds it to it.

    Args:
        environment: Environment variables.
        platform: As `sys.platform`.

    Returns:
        The folder; it need not exist.
    """
    named = environment.get("NEURAL_UPSCALE_CACHE")
    if named:
        return Path(named)
    return _base(environment, platform, "Caches", "XDG_CACHE_HOME", ".cache")


def _base(environment: Mapping[str, str], platform: str, macos: str, variable: str, elsewhere: str) -> Path:
    """Return this project's folder: in Local on Windows, below Library on macOS, where a variable says elsewhere."""
    if platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif platform == "darwin":
        base = Path.home() / "Library" / macos
    else:
        base = Path(environment.get(variable) or Path.home() / elsewhere)
    return base / "neural-upscale"


def ignore_current_folder() -> None:
    """Take the current folder off the search path, unless the trainer itself came from there.

    `python -m` puts it first, where a folder of weights files called `weights` would be taken for our package.
    """
    current = Path.cwd().resolve()
    if sys.path and Path(sys.path[0]).resolve() == current and Path(__file__).resolve().parents[1] != current:
        del sys.path[0]
