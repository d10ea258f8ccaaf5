"""Everything that lives as long as the server: settings, models, queue, counters. Torch comes in the background."""

from __future__ import annotations

import _thread
import logging
import mmap
import os
import platform
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.errors import CannotStart, DeviceFault, ServerError
from server.installed import shipped_weights, version
from server.log import BoundedLog
from server.metrics import Metrics
from server.pipeline.model_store import ModelStore
from server.pipeline.queue import TileQueue
from server.runtime_file import new_token
from server.settings import Settings, user_weights_folder
from server.speeds import Speeds

if TYPE_CHECKING:
    from server.cluster.workers import WorkerPool

IDLE_LOOK = 5.0  # seconds between looks at whether the server is still used

log = logging.getLogger(__name__)


class Service:
    """The server without its web side; `start()` and, at the end, `stop()`."""

    def __init__(self, settings: Settings, recent: BoundedLog | None = None) -> None:
        self.settings = settings
        self.token = settings.token or new_token()
        self.recent = recent
        self.metrics = Metrics()
        self.store = ModelStore([shipped_weights(), user_weights_folder(), *settings.weights])
        self.queue = TileQueue(
            max_batch=settings.max_batch, max_wait=settings.max_wait, bound=settings.queue,
            keep_alive=settings.keep_alive, observer=self.metrics,
        )  # fmt: skip
        self.speeds = Speeds(settings.speeds, [platform.node(), str(os.cpu_count()), settings.device, settings.engine])
        self.metrics.watch_queue(lambda: self.queue.under_way)
        self.started = time.monotonic()
        self._ending = threading.Event()
        self._workers: WorkerPool | None = None
        self._found: dict[str, list[Any]] = {"found": [], "notes": []}  # of devices; known after the start

    def start(self) -> None:
        """Begin to load torch and the devices, so that the web side can answer meanwhile."""
        threading.Thread(target=self._load, name="loader", daemon=True).start()
        if self.settings.idle_exit:
            threading.Thread(target=self._end_when_idle, name="idle", daemon=True).start()

    def stop(self) -> None:
        """End what runs; returns after the tiles in flight, at most five seconds."""
        self._ending.set()
        if self.queue.engines:
            self._learn_speeds(self.store.describe()["models"])
        self.queue.stop()
        if self._workers is not None:
            self._workers.stop()

    def touch(self) -> None:
        """Note that somebody uses the server."""
        self.queue.last_used = time.monotonic()

    def describe(self) -> dict[str, Any]:
        """Return the contents of `/v1/status`."""
        return {
            "name": "neural-upscale",
            "version": version(),
            "pid": os.getpid(),
            "uptime_seconds": round(time.monotonic() - self.started, 1),
            "ready": bool(self.queue.engines),
            "devices": [engine.describe() for engine in self.queue.engines],
            **self._found,
            "queue": self.queue.describe(),
            "memory": {"resident": resident_bytes()},
            "limits": {"megapixels": self.settings.max_megapixels, "file_bytes": self.settings.max_file_bytes},
        }

    def describe_models(self) -> dict[str, Any]:
        """Return the contents of `/v1/models`; nothing is measured for it."""
        listed = self.store.describe()
        self._learn_speeds(listed["models"])
        for model in listed["models"]:
            model["megapixels_per_second"] = self.speeds.of(model) if model["usable"] else None
        return listed

    def _learn_speeds(self, models: list[dict[str, Any]]) -> None:
        self.speeds.learn(models, [engine.describe() for engine in self.queue.engines])

    def _load(self) -> None:
        try:
            if self.settings.workers == "ray":
                self._load_ray()
            else:
                self._load_local()
        except CannotStart as fault:
            log.error("cannot start", extra={"fault": str(fault)})
            self.queue.fail_start(DeviceFault(str(fault)))
            _thread.interrupt_main(signal.SIGTERM)
        except ServerError as fault:  # no usable model yet: one may be put there while the server runs
            log.warning("no model loaded", extra={"fault": str(fault)})
        except Exception as fault:
            log.exception("loading failed")
            self.queue.fail_start(DeviceFault(f"The device could not be set up ({fault}); see the server's log."))

    def _load_local(self) -> None:
        from server.device.devices import build_engines, found_devices, unused_card

        engines = build_engines(self.settings, self.store)
        self.queue.start(engines)
        log.info("ready", extra={"devices": [engine.name for engine in engines]})
        self._found = {"found": found_devices(), "notes": [each for each in [unused_card()] if each]}
        key = self.store.resolve()
        self.store.generator(key)

    def _load_ray(self) -> None:
        from server.cluster.workers import WorkerPool

        self._workers = WorkerPool(self.queue, self.store, self.settings)
        self._workers.run()

    def _end_when_idle(self) -> None:
        while not self._ending.wait(min(IDLE_LOOK, self.settings.idle_exit)):
            unused = time.monotonic() - self.queue.last_used
            if not self.queue.under_way and unused >= self.settings.idle_exit:
                log.info("unused, ending", extra={"seconds": round(unused)})
                _thread.interrupt_main(signal.SIGTERM)  # os.kill would end a process of Windows without its last words
                return


def resident_bytes() -> int | None:
    """Return the resident memory of this process, where the operating system tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError):
        return None
    return pages * mmap.PAGESIZE
