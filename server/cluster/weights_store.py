"""Weights files, put once into Ray's object store, from where any number of workers fetch them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from server.errors import BrokenModel
from server.pipeline.model_file import Stamp, stamp_of
from server.pipeline.model_key import ModelKey

KEPT = 4  # files


class WeightsStore:
    """References to the contents of weights files; safe to use from several threads."""

    def __init__(self) -> None:
        self._refs: OrderedDict[tuple[Path, Stamp], Any] = OrderedDict()
        self._lock = threading.Lock()

    def refs(self, key: ModelKey) -> list[Any]:
        """Return a reference to the contents of each of a key's files; BrokenModel where one was replaced meanwhile."""
        return [self._ref(key.name, path, stamp) for path, stamp in zip(key.files, key.stamps, strict=True)]

    def _ref(self, name: str, path: Path, stamp: Stamp) -> Any:
        import ray

        with self._lock:
            if (path, stamp) not in self._refs:
                self._refs[path, stamp] = ray.put(_read(name, path, stamp))
            self._refs.move_to_end((path, stamp))
            while len(self._refs) > KEPT:
                self._refs.popitem(last=False)
            return self._refs[path, stamp]


def _read(name: str, path: Path, stamp: Stamp) -> bytes:
    try:
        changed = stamp_of(path) != stamp  # asked before, too: what is no regular file any more might never end
        contents = b"" if changed else path.read_bytes()
        changed = changed or stamp_of(path) != stamp
    except OSError as fault:
        raise BrokenModel(f"The model {name} cannot be read ({fault}); choose another, or try again.") from fault
    if changed:
        raise BrokenModel(f"The model {name} was replaced just now; try again.")
    return contents
