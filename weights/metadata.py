"""The metadata of a weights file: string entries of the safetensors header.

Names with a `modelspec.` prefix follow the Model Spec that other programs read; the others are ours: `format`
(version, "1"), `config` (JSON), `scale`, `halo`, `provenance` (JSON), `metrics` (JSON), and, where they say something,
`blend` and `link`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, NoReturn

from weights.errors import InvalidMetadata, UnknownFormat

FORMAT_VERSION = "1"
MODELSPEC_VERSION = "1.0.0"
FOREIGN = "spandrel/"  # what the architectures of networks begin with that the library spandrel builds
MOST_HALO = 512  # pixels; the radii of the architectures here lie far below
MOST_FIELDS = 64  # of a configuration
LONGEST_ENTRIES = {  # characters of what is shown to users
    "modelspec.architecture": 100, "modelspec.title": 200, "modelspec.license": 200, "modelspec.author": 200,
    "link": 500,
}  # fmt: skip
LINKS = ("https://", "http://")
LONGEST_ENTRY = 1 << 16  # characters of every other entry
_COMPARED = ("generator", "bicubic")  # figures of each benchmark set that programs compute with


@dataclass(frozen=True)
class WeightsMetadata:
    """Everything beside the tensors."""

    architecture: str  # A key of `weights.ARCHITECTURES`, or `spandrel/` and the id of one of spandrel's
    config: dict[str, int]  # Field name → whole number
    scale: int  # Enlargement factor per axis
    halo: int  # Pixels of context on each side of a tile, at the low resolution
    title: str = ""  # A name for people
    author: str = ""  # Who trained it
    licence: str = ""  # SPDX expression of the weights
    date: str = ""  # ISO 8601 day of the export
    description: str = ""  # One or two sentences
    sha256: str = ""  # Hex digest of the tensor section of the file; empty before it is written
    # Command, commit, data hash, steps, and what else tells how it came to be
    provenance: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)  # Measured figures, by benchmark set
    # Pixels of the halo that neighbouring tiles share, one fading into the other; 0 where tiles are exact
    blend: int = 0
    link: str = ""  # Where they are from, http(s)://…

    @property
    def is_foreign(self) -> bool:
        """Whether the library spandrel builds the network, because it is another project's."""
        return self.architecture.startswith(FOREIGN)

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
            **({"blend": str(self.blend)} if self.blend else {}),
            **({"link": self.link} if self.link else {}),
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
            found = "no format entry" if version is None else f"format {str(version)[:40]!r}"
            raise UnknownFormat(
                f"{source} has {found}; expected format {FORMAT_VERSION!r}; export it with this trainer, "
                "convert it with `neural-upscale convert`, or update this program."
            )
        try:
            for name, text in entries.items():
                _check_entry(name, text)
            return cls(
                architecture=entries["modelspec.architecture"],
                config=_config(entries["config"]),
                scale=_whole_number(entries["scale"], MOST_HALO),
                halo=_whole_number(entries["halo"], MOST_HALO),
                title=entries.get("modelspec.title", ""),
                author=entries.get("modelspec.author", ""),
                licence=entries.get("modelspec.license", ""),
                date=entries.get("modelspec.date", ""),
                description=entries.get("modelspec.description", ""),
                sha256=entries["modelspec.hash_sha256"].removeprefix("0x"),
                provenance=_json_object(entries.get("provenance", "{}")),
                metrics=_metrics(entries.get("metrics", "{}")),
                blend=_whole_number(entries.get("blend", "0"), _whole_number(entries["halo"], MOST_HALO)),
                link=entries.get("link", ""),
            )
        except KeyError as error:
            raise InvalidMetadata(
                f"{source} has no metadata entry {error.args[0]!r}, which is required; export it again."
            ) from error
        except (ValueError, RecursionError) as error:
            raise InvalidMetadata(f"{source} has metadata that cannot be read ({error}); export it again.") from error


def _check_entry(name: str, text: Any) -> None:
    """Refuse an entry that is no text, is too long, or would move a terminal's cursor."""
    if not isinstance(text, str):
        raise ValueError(f"{name[:40]!r} is {type(text).__name__}, expected text")
    if len(text) > LONGEST_ENTRIES.get(name, LONGEST_ENTRY):
        raise ValueError(f"{name[:40]!r} has {len(text)} characters")
    if name in LONGEST_ENTRIES and not text.isprintable():
        raise ValueError(f"{name!r} holds a control character")
    if name == "link" and not text.startswith(LINKS):
        raise ValueError(f"the link {text[:40]!r} does not begin with {LINKS[0]}")


def _json_object(text: str) -> dict[str, Any]:
    value = json.loads(text, parse_constant=_refuse_number, parse_float=_finite, parse_int=_short)
    if not isinstance(value, dict):
        raise ValueError(f"{text[:40]!r} is not a JSON object")
    return value


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_number(text)


def _short(text: str) -> int:
    return int(text) if len(text) < 19 else _refuse_number(text)


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is no number that other programs can read")


def _config(text: str) -> dict[str, int]:
    values = _json_object(text)
    if len(values) > MOST_FIELDS or not all(type(value) is int for value in values.values()):
        raise ValueError(f"the configuration {text[:40]!r} does not consist of at most {MOST_FIELDS} whole numbers")
    return values


def _metrics(text: str) -> dict[str, Any]:
    values = _json_object(text)
    figures = [each.get(name, 0.0) for each in values.values() if isinstance(each, dict) for name in _COMPARED]
    if not all(isinstance(each, (int, float)) for each in [*figures, values.get("default_detail", 0.5)]):
        raise ValueError(f"the metrics {text[:40]!r} hold something else than figures")
    return values


def _whole_number(text: str, most: int) -> int:
    value = int(text)
    if not 0 <= value <= most:
        raise ValueError(f"{text[:40]!r} does not lie within 0…{most}")
    return value
