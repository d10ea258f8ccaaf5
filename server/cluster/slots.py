"""Which devices of a cluster are to have a worker. Knows the form of `ray.nodes()`, not Ray itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from server.errors import CannotStart


@dataclass(frozen=True)
class Slot:
    """A place for one worker."""

    node: str  # Ray's id of the machine
    host: str  # the machine's name, for people
    device: str  # "cpu" or "cuda"
    number: int  # counts the machine's slots from 0
    cpus: float  # how many of the machine's processors Ray is to set aside: 0 for a worker with a GPU
    threads: int  # how many torch may use

    @property
    def name(self) -> str:
        """Return for example "cuda:1@studio-3"."""
        return f"{self.device}:{self.number}@{self.host}"


def check_device(device: str) -> None:
    """Refuse what has no meaning in a cluster.

    Args:
        device: auto, cuda, cpu, or cpu several times with commas.

    Raises:
        CannotStart: it is something else.
    """
    names = device.split(",")
    if device not in ("auto", "cuda") and set(names) != {"cpu"}:
        raise CannotStart(
            f"--device is {device} with --workers ray; expected auto (every GPU, or every machine's CPU where there is "
            "none), cuda, cpu, or cpu,cpu for two workers on each machine; choose one of them."
        )


def wanted_slots(nodes: Sequence[dict[str, Any]], device: str) -> list[Slot]:
    """List the slots that the machines of a cluster offer.

    Args:
        nodes: what `ray.nodes()` gives.
        device: what `check_device` lets pass.

    Returns:
        One slot for each GPU; with "cpu", or "auto" and no GPU anywhere, as many for each machine with processors as
        "cpu" is named, at least one.
    """
    alive = [node for node in nodes if node.get("Alive")]
    has_gpus = any(_count(node, "GPU") for node in alive)
    if device == "cuda" or (device == "auto" and has_gpus):
        return [slot for node in alive for slot in _gpu_slots(node)]
    return [slot for node in alive for slot in _cpu_slots(node, device.count("cpu") or 1)]


def _gpu_slots(node: dict[str, Any]) -> list[Slot]:
    gpus = _count(node, "GPU")
    threads = max(1, _count(node, "CPU") // max(1, gpus))
    return [Slot(node["NodeID"], _host(node), "cuda", number, 0, threads) for number in range(gpus)]


def _cpu_slots(node: dict[str, Any], count: int) -> list[Slot]:
    cpus = _count(node, "CPU")
    if not cpus:
        return []
    share = float(cpus // count) if cpus >= count else cpus / count  # Ray takes whole numbers, and fractions below 1
    return [Slot(node["NodeID"], _host(node), "cpu", number, share, max(1, int(share))) for number in range(count)]


def _count(node: dict[str, Any], what: str) -> int:
    return int(node.get("Resources", {}).get(what, 0))


def _host(node: dict[str, Any]) -> str:
    return str(node.get("NodeManagerHostname") or node.get("NodeManagerAddress") or "unknown")
