"""Which engine runs which generator: the first picture on eager torch, a faster engine from a later picture on.

A picture keeps the engine that its key names, so nothing takes over within one. Candidates are built, checked against
torch and measured in the background, once nobody waits or after a while. What was fastest is remembered, and then
built without measuring. Whatever fails leaves torch in place.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import Any

from server.device.engine_forward import CANDIDATES, TORCH, Forward, available, missing
from server.device.engine_record import Remembered
from server.device.engine_trial import Host, Trial
from server.pipeline.model_store import ModelKey

SMALLEST_PICTURE = 512 * 512  # pixels; previews are below, and are not worth a change of engine
MARGIN = 0.98  # of torch's time that an engine must stay below to be worth it
KEPT = 4  # generators with an engine of their own

log = logging.getLogger(__name__)


class EngineChoice:
    """The engines of one device; `prefer` and `describe` from any thread, `forward` from the device's own."""

    def __init__(self, wanted: str, host: Host, remembered: Remembered) -> None:
        self._wanted = wanted
        self._host = host
        self._trial = Trial(host)
        self._remembered = remembered
        self._built: dict[ModelKey, tuple[str, Forward]] = {}
        self._settled: set[ModelKey] = set()  # torch stays: nothing better, or it failed
        self._waiting: list[ModelKey] = []
        self._measured: dict[str, dict[str, float]] = {}
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def prefer(self, key: ModelKey, pixels: int) -> ModelKey:
        """Name the engine that a new picture is to use.

        Args:
            key: the generator, on torch.
            pixels: of the picture.

        Returns:
            The key, on the engine that is ready; unchanged while none is, for previews and for unusual details.
        """
        if self._wanted == TORCH or pixels < SMALLEST_PICTURE or not self._host.is_usual(key):
            return key
        with self._lock:
            if key in self._built:
                return replace(key, engine=self._built[key][0])
            if key not in self._settled and key not in self._waiting:
                self._waiting.append(key)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="engines", daemon=True)
                    self._thread.start()
        return key

    def forward(self, key: ModelKey) -> Forward | None:
        """Give what runs a key of `prefer`, or None where torch has to: it failed, or memory was freed."""
        with self._lock:
            name, forward = self._built.get(replace(key, engine=TORCH), (TORCH, None))
            return forward if name == key.engine else None

    def drop(self, key: ModelKey, fault: Exception) -> None:
        """Hear that an engine failed on a tile: torch takes over for good."""
        log.warning("engine failed, torch takes over", extra={"engine": key.engine, "fault": repr(fault)})
        with self._lock:
            plain = replace(key, engine=TORCH)
            self._built.pop(plain, None)
            self._settled.add(plain)

    def free(self) -> None:
        """Forget what was built; it is built again when it is asked for."""
        with self._lock:
            self._built.clear()

    def describe(self) -> dict[str, Any]:
        """Tell what was asked for, what runs, what was measured (seconds of a tile), and why others cannot run."""
        wanted = CANDIDATES if self._wanted == "auto" else [name for name in CANDIDATES if name == self._wanted]
        with self._lock:
            running = {f"{key.name}@{key.detail}": name for key, (name, _) in self._built.items()}
            return {
                "wanted": self._wanted, "running": running, "measured": dict(self._measured),
                "busy": bool(self._waiting),
                "missing": [reason for reason in map(missing, wanted) if reason],
            }  # fmt: skip

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                key = self._waiting[0]
            found = None
            try:
                found = self._find(key)
            except Exception as fault:  # noqa: BLE001 (an engine may fail in any way; the pictures go on)
                log.warning("no engine chosen, torch stays", extra={"model": key.name, "fault": repr(fault)})
            with self._lock:
                self._waiting.remove(key)
                if found is None:
                    self._settled.add(key)
                    continue
                self._built[key] = found
                while len(self._built) > KEPT:
                    del self._built[next(iter(self._built))]
            log.info("engine ready", extra={"model": key.name, "detail": key.detail, "engine": found[0]})

    def _find(self, key: ModelKey) -> tuple[str, Forward] | None:
        self._trial.wait_for_quiet(first_run_over=True)
        generator = self._host.source(key)
        if self._wanted != "auto":
            forward = self._trial.build(self._wanted, key, generator)
            return None if forward is None else (self._wanted, forward)
        identity = self._host.identity(key)
        known = self._remembered.fastest(identity)
        if known == TORCH:
            return None
        names = available() if known is None or missing(known) else [known]
        forwards: dict[str, Forward] = {}
        for name in names:
            forward = self._trial.build(name, key, generator)
            if forward is not None:
                forwards[name] = forward
        if known in forwards:
            return known, forwards[known]
        if not forwards:
            return None
        seconds = self._trial.measure(key, forwards)
        with self._lock:
            self._measured[f"{key.name}@{key.detail}"] = {name: round(each, 4) for name, each in seconds.items()}
        best = min(forwards, key=lambda name: seconds[name])
        fastest = best if seconds[best] <= MARGIN * seconds[TORCH] else TORCH
        self._remembered.remember(identity, fastest, seconds)
        return None if fastest == TORCH else (fastest, forwards[fastest])
