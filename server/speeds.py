"""How fast each model is on this machine: learned from the pictures it enlarges, and kept in a file, safe to delete."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from server.client.files import write_file

WORTH_WRITING = 0.1  # share by which a rate must have changed
MOST = 200  # rates that are kept

log = logging.getLogger(__name__)


class Speeds:
    """Rates by architecture and configuration: files that differ only in what they have learned are equally fast.

    Args:
        path: the file.
        machine: what the rates depend on; those of another one are not taken.
    """

    def __init__(self, path: Path, machine: Iterable[str]) -> None:
        self._path = path
        self._machine = hashlib.sha256("\n".join(machine).encode()).hexdigest()
        self._written = self._read()
        self._known = dict(self._written)
        self._lock = threading.Lock()

    def of(self, model: dict[str, Any]) -> float | None:
        """Return a model's rate in 10⁶ pixels of a picture per second; None until it has enlarged one here."""
        return self._known.get(_form(model))

    def learn(self, models: list[dict[str, Any]], engines: list[dict[str, Any]]) -> None:
        """Take over what engines have measured; the fastest counts.

        Args:
            models: as `ModelStore.describe` lists them.
            engines: as `Engine.describe` describes them.
        """
        found: dict[str, float] = {}
        by_name = {model["name"]: model for model in models if model["usable"]}
        for engine in engines:
            for label, rate in engine.get("megapixels_per_second", {}).items():
                model, plan = by_name.get(label.partition("@")[0]), engine.get("plans", {}).get(label)
                if model and plan and rate > 0:
                    useful = rate * (plan["tile"] / (plan["tile"] + 2 * model["halo"])) ** 2
                    found[_form(model)] = max(round(useful, 4), found.get(_form(model), 0.0))
        with self._lock:
            self._known = dict(list((self._known | found).items())[-MOST:])
            if any(abs(rate - self._written.get(form, 0.0)) > WORTH_WRITING * rate for form, rate in found.items()):
                self._write()

    def _write(self) -> None:
        contents = {"machine": self._machine, "megapixels_per_second": self._known}
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(self._path, json.dumps(contents, indent=1).encode())
        except OSError as fault:
            log.warning("speeds not kept", extra={"fault": str(fault)})
        self._written = dict(self._known)

    def _read(self) -> dict[str, float]:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            rates = {str(form): float(rate) for form, rate in kept["megapixels_per_second"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return {}
        return rates if kept.get("machine") == self._machine else {}


def _form(model: dict[str, Any]) -> str:
    return f"{model.get('architecture')} {json.dumps(model.get('config'), sort_keys=True)}"
