"""The models that a server has: looked up by name, loaded and blended; safe to use from several threads."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.errors import BrokenModel, UnknownModel
from server.pipeline import family
from server.pipeline.model_catalogue import ModelCatalogue
from server.pipeline.model_file import Stamp, reason_of, stamp_of
from server.pipeline.model_key import ModelKey
from server.pipeline.model_names import AUTO

if TYPE_CHECKING:
    from weights import Generator

KEPT = 4  # generators kept in memory beside those on the device


class ModelStore:
    """The models of some folders, which are watched for changes.

    Args:
        folders: of weights files; later ones win over earlier ones.
        fast: whether the device runs the large generators in reasonable time.
    """

    def __init__(self, folders: list[Path], *, fast: bool = False) -> None:
        self._catalogue = ModelCatalogue(folders, fast=fast)
        self._loaded: OrderedDict[ModelKey, Generator] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def fast(self) -> bool:
        """Whether the device runs the large generators in reasonable time."""
        return self._catalogue.fast

    @fast.setter
    def fast(self, fast: bool) -> None:
        self._catalogue.fast = fast

    def resolve(self, name: str = "auto", detail: float | None = None, cleanup: float | None = None) -> ModelKey:
        """Find what a name, a detail and a cleanup stand for.

        Args:
            name: a file's name without ending, a family's, or "auto".
            detail: 0…1 for a family, None for its default.
            cleanup: 0…1 for a family that has it, None for 0: only who has the picture can estimate it.

        Returns:
            The key of the generator.

        Raises:
            UnknownModel: no such model, or no model at all.
            BrokenModel: its file cannot be used.
            WrongParameter: detail or cleanup is out of range, or asked of a model that has none.
        """
        with self._lock:
            self._catalogue.scan()
            return self._catalogue.resolve(name, detail, cleanup)

    def following(self, key: ModelKey) -> ModelKey:
        """Return the generator for what `key` has made.

        What it has enlarged holds nothing more to clean, and detail 0 suits it best; what a restoring network (scale 1)
        has made is enlarged by the default model. Raises what `resolve` raises.
        """
        if key.scale == 1:
            following = self.resolve(AUTO)
            if following.scale == 1:
                raise UnknownModel(
                    f"{key.name} restores and enlarges nothing; expected a model that enlarges beside it; add one."
                )
            return following
        if key.detail is None:
            return key
        return self.resolve(key.name, 0.0, None if key.cleanup is None else 0.0)

    def has_cleanup(self, name: str) -> bool:
        """Return whether a name stands for a family that takes `cleanup`; False where it stands for nothing."""
        try:
            return self.resolve(name, 0.0).cleanup is not None
        except (BrokenModel, UnknownModel):
            return False

    def describe(self) -> dict[str, Any]:
        """Return the contents of `/v1/models`."""
        with self._lock:
            self._catalogue.scan()
            return self._catalogue.describe()

    def generator(self, key: ModelKey) -> Generator:
        """Load or blend the generator of a key.

        Args:
            key: names one file, or the corners of a family and the place between them.

        Returns:
            float32, on the CPU, evaluation mode; shared, not to be changed.

        Raises:
            BrokenModel: a file changed or broke since the key was made, or cannot be loaded.
        """
        from weights import interpolate, periodic

        with self._lock:
            if key in self._loaded:
                self._loaded.move_to_end(key)
                return self._loaded[key]
        generators = [self._load(key.name, path, stamp) for path, stamp in zip(key.files, key.stamps, strict=True)]
        generator = family.blend(generators, key.detail or 0.0, key.cleanup or 0.0, interpolate)
        generator = periodic(generator) if key.is_periodic else generator
        with self._lock:
            self._loaded[key] = generator
            while len(self._loaded) > KEPT:
                self._loaded.popitem(last=False)
        return generator

    def free(self) -> None:
        """Forget the loaded generators."""
        with self._lock:
            self._loaded.clear()

    def _load(self, name: str, path: Path, stamp: Stamp) -> Generator:
        """Load a file; one that cannot be loaded counts as broken from now on, so that `auto` avoids it."""
        from weights import load_generator

        try:
            before = stamp_of(path)
            generator = load_generator(path).generator
            unchanged = before == stamp == stamp_of(path)
        except Exception as fault:
            reason = reason_of(path, fault)
            with self._lock:
                self._catalogue.mark_broken(path, stamp, reason)
            raise BrokenModel(f"The model {name} cannot be used: {reason}") from fault
        if not unchanged:
            raise BrokenModel(f"The model {name} cannot be used: {path.name} was replaced just now; try again.")
        return generator
