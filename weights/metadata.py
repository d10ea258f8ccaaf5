"""The metadata of a weights file: string entries of the safetensors header.

Names with a `modelspec.` prefix follow the Model Spec that other programs read; the others are ours: `format`
(version, "1"), `config` (JSON), `scale`, `halo`, `provenance` (JSON) and `metrics` (JSON).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from weights.errors import InvalidMetadata, UnknownFormat

FORMAT_VERSION = "1"
MODELSPEC_VERSION = "1.0.0"


@dataclass(frozen=True)
class WeightsMetadata:
    """Everything beside the tensors.

    Attributes:
        architecture: A key of `weights.ARCHITECTURES`.
        config: Field name → whole number.
        scale: Enlargement factor per axis.
        halo: Pixels of context on each side of a tile, at the low resolution.
        title: A name for people.
        author: Who trained it.
        licence: SPDX expression of the weights.
        date: ISO 8601 day of the export.
        description: One or two sentences.
        sha256: Hex digest of the tensor section of the file; empty before it is written.
        provenance: Command, commit, data hash, steps, and what else tells how it came to be.
        metrics: Measured figures, by benchmark set.
    """

    architecture: str
    config: dict[str, int]
    scale: int
    halo: int
    title: str = ""
    author: str = ""
    licence: str = ""
    date: str = ""
    description: str = ""
    sha256: str = ""
    provenance: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)

    def to_strings(self) -> dict[str, str]:
        """Return the entries as safetensors keeps them: strings to strings."""
        return {
            "format": FORMAT_VERSION,
            "modelspec.sai_model_spec": MODELSPEC_VERSION,
            "modelspec.architecture": self.architecture,
            "modelspec.title": self.title,
            "modelspec.author": self.author,
            "modelspec.license": self.licence,
            "modelspec.date": self.date,
            "modelspec.description": self.description,
            "modelspec.hash_sha256": f"0x{self.sha256}",
            "config": json.dumps(self.config, sort_keys=True),
            "scale": str(self.scale),
            "halo": str(self.halo),
            "provenance": json.dumps(self.provenance, sort_keys=True),
            "metrics": json.dumps(self.metrics, sort_keys=True),
        }

    @classmethod
    def from_strings(cls, entries: dict[str, str], source: str) -> WeightsMetadata:
        """Read the entries of a header.

        Args:
            entries: The header's metadata.
            source: The file's name, for the messages.

        Returns:
            The metadata; nothing has been compared with the tensors yet.

        Raises:
            UnknownFormat: No `format` entry, or another version.
            InvalidMetadata: A required entry is missing, or is not what its name promises.
        """
        version = entries.get("format")
        if version != FORMAT_VERSION:
            found = "no format entry" if version is None else f"format {version!r}"
            raise UnknownFormat(
                f"{source} has {found}; expected format {FORMAT_VERSION!r}; export it with this trainer, "
                "convert it with `neural-upscale convert`, or update this program."
            )
        try:
            return cls(
                architecture=entries["modelspec.architecture"],
                config=_json_object(entries["config"]),
                scale=int(entries["scale"]),
                halo=_non_negative(entries["halo"]),
                title=entries.get("modelspec.title", ""),
                author=entries.get("modelspec.author", ""),
                licence=entries.get("modelspec.license", ""),
                date=entries.get("modelspec.date", ""),
                description=entries.get("modelspec.description", ""),
                sha256=entries["modelspec.hash_sha256"].removeprefix("0x"),
                provenance=_json_object(entries.get("provenance", "{}")),
                metrics=_json_object(entries.get("metrics", "{}")),
            )
        except KeyError as error:
            raise InvalidMetadata(
                f"{source} has no metadata entry {error.args[0]!r}, which is required; export it again."
            ) from error
        except ValueError as error:
            raise InvalidMetadata(f"{source} has metadata that cannot be read ({error}); export it again.") from error


def _json_object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"{text[:40]!r} is not a JSON object")
    return value


def _non_negative(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(f"{text!r} is below 0")
    return value
