"""Which models there are: the shipped weights files and the user's, watched for changes. No torch until a look.

A file's name without its ending is its model's name. `NAME-faithful` and `NAME-detailed` with one configuration make
a pair, which answers to `NAME` and takes `detail`. A file that cannot be used is listed with the reason, and nothing
else suffers from it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.errors import BrokenModel, UnknownModel, WrongParameter
from server.pipeline.model_file import ModelFile, Stamp, examined, reason_of, stamp_of
from server.pipeline.model_names import AUTO

if TYPE_CHECKING:
    from weights import Generator, WeightsMetadata

FAITHFUL, DETAILED = "-faithful", "-detailed"
DETAIL_STEPS = 20  # detail is rounded to 1/20
KEPT = 4  # generators kept in memory beside those on the device
LIKED = ("dilated-rrdb", "compact")  # pairs in the order in which `auto` prefers them where the device is fast


@dataclass(frozen=True)
class ModelKey:
    """One generator to run: which files, in which state, blended how. Equal keys give equal pixels.

    Attributes:
        name: the name the user knows it by: a file's, or a pair's.
        detail: 0…1 for a pair, in steps of 0.05; None for a single file.
        halo: pixels of context that its tiles need.
        files: the weights files: one, or faithful and detailed.
        stamps: what the files' states were.
        is_periodic: whether its tiles are whole periods along the short side of a thin picture.
    """

    name: str
    detail: float | None
    halo: int
    files: tuple[Path, ...]
    stamps: tuple[Stamp, ...]
    is_periodic: bool = False


class ModelStore:
    """Watches the folders and loads generators; safe to use from several threads."""

    def __init__(self, folders: list[Path], *, fast: bool = False) -> None:
        self.fast = fast  # whether the device runs the large generators in reasonable time
        self._folders = folders  # later ones win over earlier ones
        self._entries: dict[str, ModelFile] = {}
        self._loaded: OrderedDict[ModelKey, Generator] = OrderedDict()
        self._lock = threading.Lock()

    def resolve(self, name: str = "auto", detail: float | None = None) -> ModelKey:
        """Find what a name and a detail stand for.

        Args:
            name: a file's name without ending, a pair's, or "auto".
            detail: 0…1 for a pair, None for its default.

        Returns:
            The key of the generator.

        Raises:
            UnknownModel: no such model, or no model at all.
            BrokenModel: its file cannot be used.
            WrongParameter: detail is out of range, or asked of a model that has none.
        """
        with self._lock:
            self._scan()
            if detail is not None and not 0.0 <= detail <= 1.0:
                raise WrongParameter(f"detail is {detail:g}; expected 0…1; choose a value in that range.")
            found = self._auto() if name == AUTO else name
            if found in self._entries:
                return self._single(found, detail)
            if found + FAITHFUL in self._entries:
                return self._pair(found, detail)
            raise UnknownModel(f"There is no model {name!r}; expected one of {', '.join(self._names())}.")

    def describe(self) -> dict[str, Any]:
        """Return the contents of `/v1/models`."""
        with self._lock:
            self._scan()
            models = [self._describe(name) for name in self._names() if name != AUTO]
            broken = [
                {"name": name, "file": entry.path.name, "message": entry.fault}
                for name, entry in sorted(self._entries.items())
                if entry.fault
            ]
            try:
                default = self._auto()
            except UnknownModel:
                default = None
            return {"models": models, "default": default, "broken": broken}

    def generator(self, key: ModelKey) -> Generator:
        """Load or blend the generator of a key.

        Args:
            key: names one file, or the two of a pair and the detail between them.

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
        detail = key.detail or 0.0
        generator = interpolate(generators[0], generators[1], detail) if len(generators) == 2 else generators[0]
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
                known = self._entries.get(path.stem)
                if known is not None and (known.path, known.stamp) == (path, stamp):
                    self._entries[path.stem] = replace(known, metadata=None, fault=reason)
            raise BrokenModel(f"The model {name} cannot be used: {reason}") from fault
        if not unchanged:
            raise BrokenModel(f"The model {name} cannot be used: {path.name} was replaced just now; try again.")
        return generator

    def _scan(self) -> None:
        found: dict[str, Path] = {}
        for folder in self._folders:
            found |= {path.stem: path for path in sorted(folder.glob("*.safetensors")) if not path.name.startswith(".")}
        entries = {}
        for name, path in found.items():
            try:
                stamp = stamp_of(path)
            except OSError:
                continue  # gone since it was listed
            known = self._entries.get(name)
            unchanged = known is not None and known.path == path and known.stamp == stamp
            entries[name] = known if known is not None and unchanged else examined(path, stamp)
        self._entries = entries

    def _names(self) -> list[str]:
        pairs = {name.removesuffix(FAITHFUL) for name in self._entries if name.endswith(FAITHFUL)}
        return [AUTO, *sorted(pairs | set(self._entries))]

    def _auto(self) -> str:
        usable = [name for name, entry in self._entries.items() if not entry.fault]
        pairs = [name.removesuffix(FAITHFUL) for name in usable if name.endswith(FAITHFUL)]
        liked = LIKED if self.fast else LIKED[::-1]
        for name in [name for name in liked if name in pairs] + sorted(pairs) + sorted(usable):
            return name
        raise UnknownModel(
            f"There is no model at all; expected a usable .safetensors in {' or '.join(map(str, self._folders))}; "
            "put one there."
        )

    def _single(self, name: str, detail: float | None) -> ModelKey:
        if detail:
            raise WrongParameter(f"{name} is a single file and takes no detail; leave it out or name a pair.")
        entry, metadata = self._usable(name)
        return ModelKey(name, None, metadata.halo, (entry.path,), (entry.stamp,))

    def _pair(self, name: str, detail: float | None) -> ModelKey:
        entry, metadata = self._usable(name + FAITHFUL)
        partner = self._partner(name, metadata)
        if partner is None or partner.metadata is None:
            if detail:
                raise WrongParameter(
                    f"{name} has no usable {name}{DETAILED} file, so its detail is 0, not {detail:g}; leave detail out."
                )
            return ModelKey(name, 0.0, metadata.halo, (entry.path,), (entry.stamp,))
        wanted = _default_detail(partner.metadata) if detail is None else detail
        rounded = round(wanted * DETAIL_STEPS) / DETAIL_STEPS
        halo = max(metadata.halo, partner.metadata.halo)
        if not rounded:
            return ModelKey(name, 0.0, halo, (entry.path,), (entry.stamp,))
        return ModelKey(name, rounded, halo, (entry.path, partner.path), (entry.stamp, partner.stamp))

    def _partner(self, name: str, metadata: WeightsMetadata) -> ModelFile | None:
        partner = self._entries.get(name + DETAILED)
        if partner is None or partner.metadata is None:
            return None
        same = (partner.metadata.architecture, partner.metadata.config) == (metadata.architecture, metadata.config)
        return partner if same else None

    def _usable(self, name: str) -> tuple[ModelFile, WeightsMetadata]:
        entry = self._entries[name]
        if entry.metadata is None:
            raise BrokenModel(f"The model {name} cannot be used: {entry.fault}")
        return entry, entry.metadata

    def _describe(self, name: str) -> dict[str, Any]:
        entry = self._entries.get(name) or self._entries[name + FAITHFUL]
        described: dict[str, Any] = {"name": name, "usable": not entry.fault, "detail": None}
        metadata = entry.metadata
        if metadata is None:
            return described
        if name not in self._entries:
            partner = self._partner(name, metadata)
            default = 0.0 if partner is None or partner.metadata is None else _default_detail(partner.metadata)
            described["detail"] = {"lowest": 0.0, "highest": 0.0 if partner is None else 1.0, "default": default}
        return described | {
            "title": metadata.title,
            "architecture": metadata.architecture,
            "config": metadata.config,
            "scale": metadata.scale,
            "halo": metadata.halo,
            "licence": metadata.licence,
            "sha256": metadata.sha256,
            "metrics": metadata.metrics,
        }


def _default_detail(metadata: WeightsMetadata) -> float:
    found = metadata.metrics.get("default_detail")
    return float(found) if isinstance(found, (int, float)) and 0 <= found <= 1 else 0.5
