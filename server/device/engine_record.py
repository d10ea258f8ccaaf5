"""What was fastest on this machine: one small JSON file in the user's cache folder, safe to delete at any time."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

from server.device.engine_forward import CANDIDATES, TORCH, available
from weights import Generator
from weights.native import processor

MOST_ENTRIES = 32  # the oldest go first
PACKAGES = ("torch", "openvino", "onnxruntime")

log = logging.getLogger(__name__)


class Remembered:
    """The file; what it says holds for one machine, one set of parameters and one set of versions."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def fastest(self, identity: str) -> str | None:
        """Give the engine that was fastest, or None where nothing is known."""
        entry = self._read().get(identity)
        found = entry.get("fastest") if isinstance(entry, dict) else None
        return found if found in (TORCH, *CANDIDATES) else None

    def remember(self, identity: str, fastest: str, seconds: dict[str, float]) -> None:
        """Note a measurement: the winner, and the seconds of one tile for each engine, where it can be written."""
        with self._lock:
            entries = self._read()
            entries.pop(identity, None)
            entries[identity] = {
                "fastest": fastest, "seconds": {name: round(each, 4) for name, each in seconds.items()},
            }  # fmt: skip
            kept = dict(list(entries.items())[-MOST_ENTRIES:])
            sibling = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                sibling.write_text(json.dumps(kept, indent=1), encoding="utf-8")
                sibling.replace(self._path)
            except OSError as fault:
                log.warning("engine measurement not kept", extra={"fault": str(fault)})
            finally:
                with contextlib.suppress(OSError):
                    sibling.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def identity_of(generator: Generator, dtype: str, threads: int) -> str:
    """Name what a measurement depends on: machine, parameters, precision, threads, engines, versions; 64 hex digits."""
    digest = hashlib.sha256()
    for name, value in generator.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    told = [processor(), str(os.cpu_count()), dtype, str(threads), *available()]
    told += [f"{name} {_version(name)}" for name in PACKAGES]
    digest.update("\n".join(told).encode())
    return digest.hexdigest()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "-"
