"""Keeps a worker in every slot of a Ray cluster: hires, checks, replaces, and joins them to the queue.

It looks at the cluster about once a second. Machines that join get workers, those that leave lose them; Ray
itself restarts nothing, so that a batch which kills its workers cannot do so for ever.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from server.cluster.ray_engine import WORKERS, RayEngine
from server.cluster.slots import Slot, check_device, wanted_slots
from server.cluster.weights_store import WeightsStore
from server.errors import CannotStart, DeviceFault, ServerError
from server.pipeline.engine import Plan
from server.pipeline.model_key import ModelKey
from server.pipeline.model_store import ModelStore
from server.pipeline.queue import TileQueue
from server.settings import Settings

KNOCK = 10.0  # seconds that the cluster's head may take to take a call
LOOK = 1.0  # seconds between looks at the cluster
DESCRIBE = 2.0  # seconds between questions to a worker about itself
LEAVING = 5.0  # seconds that the end waits for Ray
PATIENCE = 60.0  # seconds without any worker after which requests are refused
LONGEST_REST = 60.0  # seconds before a slot whose workers keep failing is tried again
STEADY = 60.0  # seconds that a worker must have lasted to be replaced at once
PRIMED = 2  # generators that a new worker learns before it joins

log = logging.getLogger(__name__)


@dataclass
class _Member:
    """A worker: hired and getting ready while `engine` is None, serving afterwards."""

    actor: Any
    asked: list[Any]
    keys: list[ModelKey]
    engine: RayEngine | None = None
    since: float = field(default_factory=time.monotonic)
    seen: float = 0.0


@dataclass
class _Rest:
    """How often in a row a slot's workers failed, and until when it is left alone."""

    failures: int = 0
    until: float = 0.0


class WorkerPool:
    """The workers; `run()` in a thread of its own and, at the end, `stop()`."""

    def __init__(self, queue: TileQueue, store: ModelStore, settings: Settings) -> None:
        self._queue, self._store, self._settings = queue, store, settings
        self._weights = WeightsStore()
        self._members: dict[Slot, _Member] = {}
        self._rests: dict[Slot, _Rest] = {}
        self._served = time.monotonic()  # when there last was a worker
        self._ending = threading.Event()
        self._ended = threading.Event()

    def run(self) -> None:
        """Join the cluster and keep its workers until `stop()` is called, from another thread.

        A Ray that this starts dies with the thread that starts it, so one thread does it all. Where there is no such
        cluster, or the device makes no sense in one, `CannotStart` says so.
        """
        try:
            check_device(self._settings.device)
            connect(self._settings.ray_address)
            self._served = time.monotonic()
            while not self._ending.is_set():
                self._look_safely()
                self._ending.wait(LOOK)
            self._leave()
        finally:
            self._ended.set()

    def stop(self) -> None:
        """Have every worker dismissed and the cluster left; waits for that, a few seconds at most."""
        self._ending.set()
        self._ended.wait(LEAVING)

    def _look_safely(self) -> None:
        try:
            self._look()
        except Exception:
            log.exception("the cluster cannot be looked at")

    def _leave(self) -> None:
        import ray

        for slot in list(self._members):
            self._dismiss(slot)
        ray.shutdown()

    def _look(self) -> None:
        wanted = wanted_slots(_nodes(), self._settings.device)
        self._store.fast = bool(wanted) and all(slot.device == "cuda" for slot in wanted)
        for slot in [slot for slot in self._members if slot not in wanted]:
            log.info("worker's place is gone", extra={"device": slot.name})
            self._dismiss(slot)
        for slot in wanted:
            if slot in self._members:
                self._check(slot, self._members[slot])
            elif time.monotonic() >= self._rests.setdefault(slot, _Rest()).until:
                self._members[slot] = self._hire(slot)
        if self._queue.engines:
            self._served = time.monotonic()
        elif time.monotonic() - self._served > PATIENCE:
            sentence = (
                f"No worker of the Ray cluster has been ready for {PATIENCE:g} s; `ray status` and the log say more."
            )
            self._queue.fail_start(DeviceFault(sentence))

    def _hire(self, slot: Slot) -> _Member:
        """Ask Ray for a worker, and the worker to learn what is in use; nothing is waited for."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from server.cluster.actor import RemoteEngine

        options: dict[str, Any] = {
            "num_cpus": slot.cpus,
            "num_gpus": 1 if slot.device == "cuda" else 0,
            "max_restarts": 0,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(slot.node, soft=False),
        }
        made: Any = ray.remote(**options)(RemoteEngine)
        actor = made.remote(slot.device, self._settings.dtype, self._settings.max_batch, slot.threads)
        keys = self._in_use()
        learning = [actor.learn.remote(key, *self._weights.refs(key)) for key in keys]
        log.info("worker hired", extra={"device": slot.name})
        return _Member(actor, [actor.begin.remote(), *learning], keys)

    def _in_use(self) -> list[ModelKey]:
        """Return the generators that the other workers learnt last; at first, the default one."""
        serving = (member.engine for member in self._members.values() if member.engine is not None)
        keys = list(dict.fromkeys(key for engine in serving for key in engine.keys))
        try:
            keys = keys[-PRIMED:] or [self._store.resolve()]
            for key in keys:
                self._weights.refs(key)
        except ServerError:  # replaced meanwhile, or no model yet: learnt with the first batch
            return []
        return keys

    def _check(self, slot: Slot, member: _Member) -> None:
        """Look at a worker's answers, add it when it is ready, and replace it when it is gone."""
        import ray
        from ray.exceptions import RayError

        if member.engine is not None and (member.engine.lost or member.engine not in self._queue.engines):
            self._replace(slot, member, "lost")
            return
        if member.asked:
            ready, _ = ray.wait(member.asked, num_returns=len(member.asked), timeout=0)
            if len(ready) < len(member.asked):
                return
            try:
                answers = ray.get(member.asked)
            except RayError as fault:
                self._replace(slot, member, str(fault))
                return
            member.asked = []
            if member.engine is None:
                self._admit(slot, member, answers)
            else:
                member.engine.reported |= answers[0]
        elif time.monotonic() - member.seen >= DESCRIBE:
            member.seen = time.monotonic()
            member.asked = [member.actor.describe.remote()]

    def _admit(self, slot: Slot, member: _Member, answers: list[Any]) -> None:
        from server.installed import version

        begun, plans = answers[0], dict[ModelKey, Plan](zip(member.keys, answers[1:], strict=True))
        if begun.version != version():
            reason = f"{slot.host} has version {begun.version}, the server {version()}; install the same on both"
            self._replace(slot, member, reason)
            return
        reported = {"host": begun.host, "pid": begun.pid}
        member.engine = RayEngine(slot.name, member.actor, self._weights, reported, plans)
        member.since = time.monotonic()
        self._queue.add(member.engine, WORKERS)
        log.info("worker joined", extra={"device": slot.name, "pid": begun.pid})

    def _replace(self, slot: Slot, member: _Member, why: str) -> None:
        """Dismiss a worker; its slot gets another one, at once or, if its workers keep failing, after a rest."""
        rest = self._rests[slot]
        lasted = member.engine is not None and time.monotonic() - member.since >= STEADY
        rest.failures = 0 if lasted else rest.failures + 1
        seconds = min(LONGEST_REST, 2.0 ** (rest.failures - 1)) if rest.failures > 1 else 0.0
        rest.until = time.monotonic() + seconds
        log.warning("worker is replaced", extra={"device": slot.name, "why": why[:500], "after_seconds": seconds})
        self._dismiss(slot)

    def _dismiss(self, slot: Slot) -> None:
        import ray

        member = self._members.pop(slot)
        if member.engine is not None:
            self._queue.remove(member.engine)
        ray.kill(member.actor)


def _nodes() -> list[dict[str, Any]]:
    import ray

    return list(ray.nodes())  # type: ignore[no-untyped-call]


def _knock(address: str) -> None:
    """Raise OSError at once where nobody listens: Ray itself would try for a minute and a half."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), KNOCK).close()


def connect(address: str | None) -> None:
    """Join a Ray cluster.

    Args:
        address: HOST:PORT of its head; None takes RAY_ADDRESS, or starts a cluster on this machine alone.

    Raises:
        CannotStart: nothing answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would tell its makers that it is used
    import ray

    address = address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        _knock(address)
        ray.init(address, configure_logging=False, log_to_driver=False, **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as fault:
        lines = str(fault).strip().splitlines()
        raise CannotStart(
            f"No Ray cluster can be joined at {address} ({lines[0] if lines else fault!r}); start one with `ray start "
            "--head` on a machine of it, run this server on one of its machines, and name it with --ray-address."
        ) from fault
