"""A worker on another machine as the queue sees it: the queue's `Engine`. Imports ray in use, torch never."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.cluster.weights_store import WeightsStore
from server.errors import EngineLost, ServerError
from server.pipeline.engine import Plan
from server.pipeline.model_key import ModelKey

LONGEST_CALL = 120.0  # seconds, the batch before it included; a worker that is silent for longer is given up
WORKERS = 2  # batches that a worker is handed at once: one is on its way while the other runs
UNKNOWN = Plan(tile=256, band_pixels=1 << 18)


class RayEngine:
    """One worker; `lost` says that it must be replaced."""

    def __init__(
        self, name: str, actor: Any, weights: WeightsStore, reported: dict[str, Any], plans: dict[ModelKey, Plan]
    ) -> None:
        self.name = name
        self.lost = False
        self.reported = reported  # what it said of itself last
        self._actor, self._weights = actor, weights
        self._plans = plans
        self._batches = 0
        self._limits: dict[tuple[ModelKey, int, int], int] = {}

    @property
    def keys(self) -> list[ModelKey]:
        """Return the generators that the worker has learnt, in the order in which it did."""
        return list(self._plans)

    def plan(self, key: ModelKey) -> Plan:
        """Return the tile and band sizes that the worker named last."""
        return self._plans.get(key, UNKNOWN)

    def batch_limit(self, key: ModelKey, height: int, width: int) -> int:
        """Return the number of such tiles that the worker takes, as it said with the last of that size; 1 at first."""
        return self._limits.get((key, height, width), 1)

    def warm_up(self, key: ModelKey) -> None:
        """Have the worker learn a generator that it does not know yet."""
        if key not in self._plans:
            self._plans[key] = self._ask(self._actor.learn.remote(key, *self._weights.refs(key)))

    def run(self, key: ModelKey, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Enlarge a batch there.

        Args:
            key: the generator, learnt before.
            tiles: (N, 3, H, W), float32, 0…1, context included.

        Returns:
            (N, 3, scale·H, scale·W), float32, finite.
        """
        answer = self._ask(self._actor.run.remote(key, tiles))
        self._batches += 1
        self._plans[key] = answer.plan
        self._limits[key, tiles.shape[2], tiles.shape[3]] = answer.limit
        # What Ray lends lies in its store until nobody looks at it, and a queue full of results would fill the store.
        return np.array(answer.pixels)

    def free(self) -> None:
        """Have the device's memory given back, without waiting for it."""
        from ray.exceptions import RayError

        with contextlib.suppress(RayError):
            self._actor.free.remote()

    def describe(self) -> dict[str, Any]:
        """Return what the worker last reported."""
        return {**self.reported, "device": self.name, "batches": self._batches}

    def _ask(self, ref: Any) -> Any:
        """Wait for an answer: the one place where Ray's exceptions become ours."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            return ray.get(ref, timeout=LONGEST_CALL)
        except RayTaskError as fault:
            if isinstance(fault.cause, ServerError):
                raise fault.cause from None
            raise RuntimeError(f"the worker failed with {fault.cause!r}") from fault
        except RayError as fault:
            self.lost = True
            raise EngineLost(f"{self.name}: {_first_line(fault)}") from fault


def _first_line(fault: Exception) -> str:
    lines = str(fault).strip().splitlines()
    return f"{type(fault).__name__}: {lines[0]}" if lines else type(fault).__name__
