"""Cuts photos on a Ray cluster: photos go out, patches come back. The machines need no common file system."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trainer.data.slicing.cutting import RECORD, SlicingConfig, cut_photo
from trainer.data.slicing.pool import Pool, Task
from trainer.errors import SlicingError
from weights.atomic import atomic_write

KNOCK = 10.0  # seconds that the cluster's head may take to take a call
ATTEMPTS = 3  # with a photo whose worker was killed
PER_PROCESSOR = 2  # photos under way for each processor: one is cut while another travels


def ray_pool(address: str | None) -> Pool:
    """Cut wherever the cluster has a free processor.

    Args:
        address: HOST:PORT of the cluster's head; None takes RAY_ADDRESS, or starts Ray on this machine.

    Returns:
        A pool that raises SlicingError where there is no such cluster, a folder cannot be written, or a photo's workers
        were killed again and again.
    """

    def cut(tasks: Sequence[Task], config: SlicingConfig) -> Iterator[None]:
        import ray

        _connect(address)
        try:
            yield from _spread(tasks, config)
        finally:
            ray.shutdown()

    return cut


def _connect(address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report its use to its makers
    try:
        import ray
    except ImportError as error:
        raise SlicingError(
            '--workers ray needs Ray, which is not installed: pip install "neural-upscale[cluster]"'
        ) from error
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    own: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        _knock(address)
        ray.init(address, configure_logging=False, log_to_driver=False, **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        reason = (str(error).strip().splitlines() or [repr(error)])[0]
        raise SlicingError(
            f"no Ray cluster can be joined at {address} ({reason}); start one with `ray start --head`, "
            "run this on one of its machines, and name it with --ray-address"
        ) from error


def _knock(address: str) -> None:
    """Raise OSError at once where nobody listens: Ray itself would try for a minute and a half."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), KNOCK).close()


def _spread(tasks: Sequence[Task], config: SlicingConfig) -> Iterator[None]:
    """Keep every processor of the cluster busy, and no more photos in memory than that takes."""
    import ray

    cut_there: Any = ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)(cut_bytes)
    waiting, under_way = deque(tasks), dict[Any, Task]()
    processors: Any = ray.cluster_resources  # without types
    while waiting or under_way:
        while waiting and len(under_way) < PER_PROCESSOR * max(1, int(processors().get("CPU", 1))):
            path, part = task = waiting.popleft()
            try:
                photo = path.read_bytes()
            except OSError:
                cut_photo(path, part, config)  # gone, or locked: recorded as on one machine
                yield
                continue
            under_way[cut_there.remote(path.name, photo, config)] = task
        ready, _ = ray.wait(list(under_way)) if under_way else ([], [])
        for ref in ready:
            path, part = under_way.pop(ref)
            _keep(part, _answer(ref, path))
            yield


def cut_bytes(name: str, photo: bytes, config: SlicingConfig) -> dict[str, bytes]:
    """Cut one photo, on whatever machine this runs.

    Args:
        name: the photo's file name; its ending tells the format.
        photo: the file's contents.
        config: what to cut.

    Returns:
        What `cut_photo` writes: the contents of each file, by its name.
    """
    with tempfile.TemporaryDirectory(prefix="neural-upscale-") as folder:
        path, part = Path(folder, "photo", name), Path(folder, "part")
        path.parent.mkdir()
        path.write_bytes(photo)
        cut_photo(path, part, config)
        return {file.name: file.read_bytes() for file in part.iterdir()}


def _answer(ref: Any, path: Path) -> dict[str, bytes]:
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        found: dict[str, bytes] = ray.get(ref)
    except RayTaskError as error:
        if isinstance(error.cause, SlicingError):
            raise error.cause from None
        raise
    except RayError as error:
        raise SlicingError(
            f"{path.name} cannot be cut on the cluster: its worker was killed {ATTEMPTS} times, most likely for want "
            "of memory; run the same command with --workers local: it goes on where it stopped"
        ) from error
    return found


def _keep(part: Path, contents: dict[str, bytes]) -> None:
    """Write what came back, the record last, as `cut_photo` does."""
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(parents=True)
    for name in sorted(contents.keys() - {RECORD}):
        (part / name).write_bytes(contents[name])
    with atomic_write(part / RECORD) as sibling:
        sibling.write_bytes(contents[RECORD])
