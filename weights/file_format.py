"""Weights files: one `.safetensors` whose metadata rebuilds the generator without guessing. Never pickle.

The hash covers the tensor section (every byte after the header), as the Model Spec has it, so that it can be written
into the header.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from weights.atomic import atomic_write
from weights.errors import HashMismatch, KeyMismatch, NotAWeightsFile, ShapeMismatch
from weights.generators.base import Generator
from weights.generators.registry import build_generator
from weights.metadata import WeightsMetadata

_LENGTH_BYTES = 8
_LARGEST_HEADER = 100_000_000  # safetensors' own limit


@dataclass(frozen=True)
class LoadedWeights:
    """A generator and what its file says about it.

    Attributes:
        generator: float32, evaluation mode, on the CPU.
        metadata: As read; it agrees with the tensors.
    """

    generator: Generator
    metadata: WeightsMetadata


def save_generator(
    generator: Generator, metadata: WeightsMetadata, path: Path, dtype: torch.dtype = torch.float32
) -> WeightsMetadata:
    """Write a weights file: to a sibling first, then renamed into place.

    Args:
        generator: Its parameters and buffers are written, whatever device they are on.
        metadata: `architecture`, `config`, `scale` and `sha256` are taken from the generator and the tensors instead.
        path: Ends in `.safetensors`; its folder must exist.
        dtype: What the tensors are kept as.

    Returns:
        The metadata as written.
    """
    tensors = {
        name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in sorted(generator.state_dict().items())
    }
    metadata = replace(
        metadata,
        architecture=generator.architecture,
        config=dict(vars(generator.config)),
        scale=generator.scale,
        sha256=hashlib.sha256(_split(safetensors.torch.save(tensors), path.name)[1]).hexdigest(),
    )
    with atomic_write(path) as sibling:
        sibling.write_bytes(safetensors.torch.save(tensors, metadata.to_strings()))
    return metadata


def read_metadata(path: Path) -> WeightsMetadata:
    """Read only the header of a weights file; of the tensors, only whether they are all there.

    Args:
        path: A weights file.

    Returns:
        Its metadata.

    Raises:
        NotAWeightsFile: Not a safetensors file, or cut short.
        UnknownFormat: Not written by this project, or by a newer version.
        InvalidMetadata: A metadata entry is missing or cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_LENGTH_BYTES)
        length = _header_length(start, path.name)
        header = file.read(length)
    metadata = _metadata_of(header, length, path.name)
    expected, found = _LENGTH_BYTES + length + _section_bytes(header), path.stat().st_size
    if found < expected:
        raise _cut_short(path.name, found, expected)
    return metadata


def _section_bytes(header: bytes) -> int:
    """Return how many bytes the tensors take according to a header; 0 where it does not say."""
    tensors = [entry for name, entry in json.loads(header).items() if name != "__metadata__"]
    try:
        return max((int(entry["data_offsets"][1]) for entry in tensors), default=0)
    except (KeyError, IndexError, TypeError, ValueError):
        return 0  # whoever loads the tensors says what is wrong


def load_generator(path: Path) -> LoadedWeights:
    """Load a weights file and check format, hash, keys and shapes.

    Args:
        path: A weights file.

    Returns:
        The generator (float32, evaluation mode, CPU) and its metadata.

    Raises:
        NotAWeightsFile: Not a safetensors file, or cut short.
        UnknownFormat: Not written by this project, or by a newer version.
        InvalidMetadata: A metadata entry is missing or cannot be read.
        UnknownArchitecture: The metadata names an architecture that this version does not have.
        InvalidConfig: The metadata's configuration does not fit the architecture.
        HashMismatch: The tensors are not those that were written.
        KeyMismatch: Tensors are missing or foreign.
        ShapeMismatch: A tensor has a shape that the configuration does not give.
    """
    content = path.read_bytes()
    header, section = _split(content, path.name)
    metadata = _metadata_of(header, len(header), path.name)
    try:
        tensors = safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise NotAWeightsFile(
            f"{path.name} is cut short or damaged ({error}); expected a complete safetensors file; copy it again."
        ) from error
    digest = hashlib.sha256(section).hexdigest()
    if digest != metadata.sha256:
        raise HashMismatch(
            f"{path.name} has tensors with SHA-256 {digest[:12]}…, its header says {metadata.sha256[:12]}…; "
            "the file was changed or damaged; copy it again."
        )
    generator = build_generator(metadata.architecture, metadata.config)
    _check_tensors(generator.state_dict(), tensors, path.name)
    generator.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    generator.requires_grad_(False)
    return LoadedWeights(generator.eval(), metadata)


def _check_tensors(expected: dict[str, Tensor], found: dict[str, Tensor], source: str) -> None:
    missing, foreign = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or foreign:
        parts = [f"lacks {_some(missing)}"] if missing else []
        parts += [f"has the foreign {_some(foreign)}"] if foreign else []
        raise KeyMismatch(
            f"{source} {' and '.join(parts)}; expected exactly the {len(expected)} tensors that its config gives; "
            "export it again, or convert it with `neural-upscale convert`."
        )
    for name, tensor in expected.items():
        if found[name].shape != tensor.shape:
            raise ShapeMismatch(
                f"{source} has {name} of shape {tuple(found[name].shape)}; its config gives {tuple(tensor.shape)}; "
                "export it again."
            )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _split(content: bytes, source: str) -> tuple[bytes, memoryview]:
    length = _header_length(content[:_LENGTH_BYTES], source)
    end = _LENGTH_BYTES + length
    if len(content) < end:
        raise _cut_short(source, len(content), end)
    return content[_LENGTH_BYTES:end], memoryview(content)[end:]


def _header_length(start: bytes, source: str) -> int:
    if len(start) < _LENGTH_BYTES:
        raise _cut_short(source, len(start), _LENGTH_BYTES)
    length: int = struct.unpack("<Q", start)[0]
    if length > _LARGEST_HEADER:
        raise NotAWeightsFile(
            f"{source} does not begin like a safetensors file (it announces a header of {length} bytes); "
            "expected a .safetensors file; choose another file."
        )
    return length


def _cut_short(source: str, found: int, expected: int) -> NotAWeightsFile:
    return NotAWeightsFile(f"{source} ends after {found} bytes; expected at least {expected}; copy it again.")


def _metadata_of(header: bytes, length: int, source: str) -> WeightsMetadata:
    if len(header) < length:
        raise _cut_short(source, len(header) + _LENGTH_BYTES, length + _LENGTH_BYTES)
    try:
        content = json.loads(header)
    except ValueError as error:
        raise NotAWeightsFile(
            f"{source} has a header that is no JSON; expected a .safetensors file; choose another file."
        ) from error
    entries = content.get("__metadata__") if isinstance(content, dict) else None
    return WeightsMetadata.from_strings(entries if isinstance(entries, dict) else {}, source)
