"""Which models the weights folders hold, and what a name, a detail and a cleanup stand for. No torch until a look.

A file's name without its ending is its model's name. `NAME-faithful` and its partners of one configuration make a
family, which answers to `NAME` and takes `detail` and `cleanup`. A file that cannot be used is listed with the reason,
and nothing else suffers from it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.errors import BrokenModel, UnknownModel, WrongParameter
from server.pipeline import family
from server.pipeline.family import Corner, Family
from server.pipeline.model_file import ModelFile, Stamp, examined, stamp_of
from server.pipeline.model_key import ModelKey
from server.pipeline.model_names import AUTO

if TYPE_CHECKING:
    from weights import WeightsMetadata

FAITHFUL = family.ENDINGS[family.FAITHFUL]
KINDS = ("own", "enlargement", "restoration")  # in the order in which models are listed
SMALL = "compact"  # the family that `auto` prefers where the device is slow


class ModelCatalogue:
    """What a look at the folders found; one thread at a time.

    Args:
        folders: of weights files; later ones win over earlier ones.
        fast: whether the device runs the large generators in reasonable time.
    """

    def __init__(self, folders: list[Path], *, fast: bool = False) -> None:
        self.fast = fast
        self._folders = folders
        self._entries: dict[str, ModelFile] = {}

    def scan(self) -> None:
        """Look at the folders; files that have not changed are not read again."""
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

    def mark_broken(self, path: Path, stamp: Stamp, reason: str) -> None:
        """Count a file as broken as long as it stays as it is, so that `auto` avoids it."""
        known = self._entries.get(path.stem)
        if known is not None and (known.path, known.stamp) == (path, stamp):
            self._entries[path.stem] = replace(known, metadata=None, fault=reason)

    def resolve(self, name: str, detail: float | None, cleanup: float | None) -> ModelKey:
        """Find what a name, a detail and a cleanup stand for, as `ModelStore.resolve` does."""
        for control, value in (("detail", detail), ("cleanup", cleanup)):
            if value is not None and not 0.0 <= value <= 1.0:
                raise WrongParameter(f"{control} is {value:g}; expected 0…1; choose a value in that range.")
        found = self._auto() if name == AUTO else name
        if found in self._entries:
            return self._single(found, detail, cleanup)
        if found + FAITHFUL in self._entries:
            return self._between(found, detail, cleanup)
        raise UnknownModel(f"There is no model {name!r}; expected one of {', '.join(self._names())}.")

    def describe(self) -> dict[str, Any]:
        """Return the contents of `/v1/models`."""
        models = [self._describe(name) for name in self._names() if name != AUTO]
        models.sort(key=lambda model: (KINDS.index(model["kind"]), model.get("scale", 0)))
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

    def _names(self) -> list[str]:
        families = {name.removesuffix(FAITHFUL) for name in self._entries if name.endswith(FAITHFUL)}
        return [AUTO, *sorted(families | set(self._entries))]

    def _auto(self) -> str:
        found = sorted(name for name, entry in self._entries.items() if not entry.fault)
        ours = [name for name in found if not self._usable(name)[1].is_foreign]
        usable = ours or [name for name in found if self._usable(name)[1].scale > 1] or found
        families = [name.removesuffix(FAITHFUL) for name in usable if name.endswith(FAITHFUL)]
        families.sort(key=lambda name: (-self._size_class(name) if self.fast else 0, name != SMALL))
        for name in families + usable:
            return name
        raise UnknownModel(
            f"There is no model at all; expected a usable .safetensors in {' or '.join(map(str, self._folders))}; "
            "put one there."
        )

    def _size_class(self, family: str) -> int:
        """Return the power of two in which a family's faithful file lies, bytes: a larger generator is a better one."""
        _, size, _ = self._entries[family + FAITHFUL].stamp
        return size.bit_length()

    def _single(self, name: str, detail: float | None, cleanup: float | None) -> ModelKey:
        for control, value in (("detail", detail), ("cleanup", cleanup)):
            if value:
                raise WrongParameter(
                    f"{name} is a single file and takes no {control}; leave it out or name a family, which has several."
                )
        entry, metadata = self._usable(name)
        return ModelKey(
            name, None, metadata.halo, (entry.path,), (entry.stamp,), blend=metadata.blend,
            scale=metadata.scale, is_foreign=metadata.is_foreign,
        )  # fmt: skip

    def _between(self, name: str, detail: float | None, cleanup: float | None) -> ModelKey:
        self._usable(name + FAITHFUL)
        members = self._members(name)
        detail, cleanup = _family(name, members).rounded(detail, cleanup)
        entries = [members[corner] for corner in family.corners_between(detail, cleanup or 0.0)]
        told = [entry.metadata for entry in entries if entry.metadata]
        return ModelKey(
            name, detail, max(each.halo for each in told), tuple(entry.path for entry in entries),
            tuple(entry.stamp for entry in entries), cleanup, blend=max(each.blend for each in told),
            scale=told[0].scale, is_foreign=told[0].is_foreign,
        )  # fmt: skip

    def _members(self, name: str) -> dict[Corner, ModelFile]:
        """Return a family's usable files that have its faithful one's configuration."""
        first = self._entries[name + FAITHFUL].metadata
        found = {corner: self._entries.get(name + ending) for corner, ending in family.ENDINGS.items()}
        return {
            corner: entry
            for corner, entry in found.items()
            if first and entry and entry.metadata
            and (entry.metadata.architecture, entry.metadata.config) == (first.architecture, first.config)
        }  # fmt: skip

    def _usable(self, name: str) -> tuple[ModelFile, WeightsMetadata]:
        entry = self._entries[name]
        if entry.metadata is None:
            raise BrokenModel(f"The model {name} cannot be used: {entry.fault}")
        return entry, entry.metadata

    def _describe(self, name: str) -> dict[str, Any]:
        entry = self._entries.get(name) or self._entries[name + FAITHFUL]
        described: dict[str, Any] = {"name": name, "usable": not entry.fault, "detail": None, "cleanup": None}
        metadata = entry.metadata
        if metadata is None:
            return described | {"kind": KINDS[-1]}
        files = [entry]
        if name not in self._entries:
            members = self._members(name)
            files, whole = [*members.values()], _family(name, members)
            described["detail"] = {"lowest": 0.0, "highest": float(whole.has_detail), "default": whole.default_detail}
            if whole.has_cleanup:  # by default it is estimated
                described["cleanup"] = {"lowest": 0.0, "highest": 1.0, "default": None}
        return described | {
            "kind": _kind(metadata),
            "title": metadata.title,
            "author": metadata.author,
            "link": metadata.link,
            "description": metadata.description,
            "files": [each.path.name for each in files],
            "bytes": sum(each.stamp[1] for each in files),
            "architecture": metadata.architecture,
            "config": metadata.config,
            "scale": metadata.scale,
            "halo": metadata.halo,
            "blend": metadata.blend,
            "licence": metadata.licence,
            "sha256": metadata.sha256,
            "metrics": metadata.metrics,
        }


def _kind(metadata: WeightsMetadata) -> str:
    if not metadata.is_foreign:
        return "own"
    return "restoration" if metadata.scale == 1 else "enlargement"


def _family(name: str, members: dict[Corner, ModelFile]) -> Family:
    detailed = members.get(family.DETAILED)
    found = detailed.metadata.metrics.get("default_detail", 0.5) if detailed and detailed.metadata else 0.0
    default = min(1.0, max(0.0, float(found))) if isinstance(found, (int, float)) else 0.5
    return Family(name, frozenset(members), default)
