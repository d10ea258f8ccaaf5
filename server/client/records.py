"""Reads what server and installer leave on disk for the clients: the runtime file, the installation record.

Standard library only: this package is copied whole into both plug-ins. The server writes its runtime
file by the same rules (`runtime_path`), so that nothing has to be set up.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .protocol import RUNTIME_VARIABLE, NoServer, Runtime, ServerStartFailed, UnsafeRuntimeFile

LARGEST_RECORD = 1 << 16  # bytes


@dataclass(frozen=True)
class Installation:
    """What an installer recorded beside a plug-in: how to start a server, where its runtime file and log are."""

    command: tuple[str, ...]
    runtime: Path
    log: Path
    version: str


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of runtime file and log, after the custom of the operating system."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state")
    return base / "neural-upscale"


def runtime_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the runtime file's path: the variable NEURAL_UPSCALE_RUNTIME, else in the state folder."""
    named = environment.get(RUNTIME_VARIABLE)
    return Path(named) if named else state_folder(environment) / "runtime.json"


def log_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of the log of servers that clients start: beside the runtime file."""
    return runtime_path(environment).with_name("server.log")


def read_installation(path: Path, environment: Mapping[str, str] = os.environ) -> Installation:
    """Read an installer's `install.json`: an object with `command`, `runtime`, `log`, `version`.

    The variable NEURAL_UPSCALE_RUNTIME wins over the recorded runtime file, and then the log lies beside it.

    Args:
        path: the record.
        environment: where the variable is looked for.

    Returns:
        What the installer recorded.

    Raises:
        ServerStartFailed: the record is missing or unreadable.
    """
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
        command = tuple(str(word) for word in record["command"])
        runtime, log = Path(record["runtime"]), Path(record["log"])
        if environment.get(RUNTIME_VARIABLE):
            runtime, log = runtime_path(environment), log_path(environment)
        return Installation(command, runtime, log, str(record["version"]))
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise ServerStartFailed(
            f"The installation record {path} cannot be used ({fault!r}); install the plug-in again: "
            "neural-upscale install gimp|krita"
        ) from fault


def read_runtime(path: Path | None = None) -> Runtime:
    """Read the runtime file; one without `pid` names a server elsewhere.

    Args:
        path: the file; None means `runtime_path()`.

    Returns:
        Where the server is, and its token.

    Raises:
        NoServer: there is no such file.
        UnsafeRuntimeFile: it belongs to somebody else, others may read it, or its contents are not a runtime's.
    """
    path = Path(path) if path is not None else runtime_path()
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise NoServer(f"No server has announced itself in {path}; start one with: neural-upscale serve") from None
    except OSError as fault:
        raise UnsafeRuntimeFile(f"{path} cannot be opened as a plain file ({fault}); remove it.") from fault
    with os.fdopen(descriptor, "rb") as file:
        _check_rights(path, os.fstat(descriptor))
        text = file.read(LARGEST_RECORD)
    try:
        record = json.loads(text)
        ca_file = str(path.parent.absolute() / record["ca_file"]) if record.get("ca_file") else None
        pid, version = int(record.get("pid", 0)), str(record.get("version", ""))
        runtime = Runtime(str(record["url"]), str(record["token"]), pid, version, ca_file, remote="pid" not in record)
        parts = urllib.parse.urlsplit(runtime.url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and runtime.token.isascii()
    except (ValueError, KeyError, TypeError, AttributeError):
        usable = False
    if not usable or not runtime.token.isprintable():
        raise UnsafeRuntimeFile(f"{path} holds no url and token of a server; remove it and start again.")
    return runtime


def _check_rights(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UnsafeRuntimeFile(f"{path} is no plain file; remove it.")
    # On Windows the user's profile folder keeps others out.
    if sys.platform != "win32" and found.st_uid != os.geteuid():
        raise UnsafeRuntimeFile(f"{path} belongs to user id {found.st_uid}, expected {os.geteuid()}; remove it.")
    if os.name == "posix" and found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        raise UnsafeRuntimeFile(
            f"{path} has the rights {mode:04o}, others could use its token; expected 0600: remove it."
        )
