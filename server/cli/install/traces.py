"""What the program leaves on the disk by being used: logs, caches, links. Weights files are the user's, and stay."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from server.client.records import runtime_path
from server.settings import cache_folder

STATE = ("runtime.json.lock", "server.log", "server.log.1", "command-line.log", "gimp-plugin.log", "krita-plugin.log")
LINK = "open.html"
CACHE = ("engine.json", "vulkan.json", "speeds.json", "native", "spool", "worker-weights")
FETCHED = f"*-{'[0-9a-f]' * 8}.*"  # the trainer's feature networks, whole or begun


def remove_traces(dry_run: bool) -> Iterator[str]:
    """Remove them, and folders of ours that are empty then.

    Args:
        dry_run: only say what would be done.

    Yields:
        A sentence for each file or folder.

    Raises:
        OSError: one cannot be removed.
    """
    state, cache = runtime_path().parent, cache_folder().parent
    fetched = sorted(cache.glob(FETCHED))
    for path in [*(state / name for name in (*STATE, LINK)), *(cache / name for name in CACHE), *fetched]:
        if not path.exists():
            continue
        if not dry_run:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        yield f"{'would remove' if dry_run else 'removed'} {path}."
    if not dry_run:
        for folder in {state, cache}:
            _remove_if_empty(folder)


def _remove_if_empty(folder: Path) -> None:
    if folder.name == "neural-upscale" and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
