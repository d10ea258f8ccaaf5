"""Which engine is the fastest on this machine: measured once per installation, kept in a file, safe to delete."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import torch

from server.client.files import write_file
from server.installed import version
from weights.winograd import processor

log = logging.getLogger(__name__)


class EngineChoice:
    """The fastest of several engines.

    Args:
        path: the file that keeps what was measured.
        measure: measures; returns the seconds that each engine takes for the same work, by the engine's name.
        beside: what the measurement depends on beside processor, threads and versions, as a GPU's name.
    """

    def __init__(self, path: Path, measure: Callable[[], dict[str, float]], beside: str = "") -> None:
        self._path, self._measure = path, measure
        self._machine = _machine(beside)
        self.seconds: dict[str, float] = {}  # of each engine, once known

    def fastest(self) -> str:
        """Return the name of the fastest engine, measured now unless it was measured on this machine before."""
        if not self.seconds:
            self.seconds = self._read() or self._measure_and_keep()
        return min(self.seconds, key=lambda name: self.seconds[name])

    def _measure_and_keep(self) -> dict[str, float]:
        seconds = {name: round(each, 5) for name, each in self._measure().items()}
        log.info("engines measured", extra={"seconds": seconds})
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(self._path, json.dumps({"machine": self._machine, "seconds": seconds}, indent=1).encode())
        except OSError as fault:
            log.warning("engine measurement not kept", extra={"fault": str(fault)})
        return seconds

    def _read(self) -> dict[str, float]:
        """Return what was measured before; empty where nothing was, or another machine was measured."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            seconds = {str(name): float(each) for name, each in kept["seconds"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}
        return seconds if kept.get("machine") == self._machine else {}


def _machine(beside: str) -> str:
    """Name what a measurement depends on: processor, threads, versions."""
    parts = [processor(), str(os.cpu_count()), str(torch.get_num_threads()), torch.__version__, version(), beside]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
