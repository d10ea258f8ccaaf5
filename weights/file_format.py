"""Weights files: one `.safetensors` whose metadata rebuilds the generator without guessing. Never pickle.

The hash covers the tensor section (every byte after the header), as the Model Spec has it, so that it can be written
into the header.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from weights.atomic import atomic_write
from weights.errors import HashMismatch, InvalidMetadata, KeyMismatch, NotAWeightsFile, ShapeMismatch
from weights.generators.base import Generator
from weights.generators.foreign import build_foreign, check_tensors
from weights.generators.registry import build_generator
from weights.header import LARGEST_FILE, LENGTH_BYTES, cut_short, header_length, open_regular, read_header
from weights.metadata import WeightsMetadata

_LARGEST_SETTING = 4096  # of a configuration in a file: whatever is larger would only build a network in vain


@dataclass(frozen=True)
class LoadedWeights:
    """A generator and what its file says about it."""

    generator: Generator  # float32, evaluation mode, on the CPU
    metadata: WeightsMetadata  # As read; it agrees with the tensors


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
    )
    return save_tensors(tensors, metadata, path)


def save_tensors(tensors: Mapping[str, torch.Tensor], metadata: WeightsMetadata, path: Path) -> WeightsMetadata:
    """Write tensors under the names that they are to have in the file: to a sibling first, then renamed into place.

    Args:
        tensors: Contiguous, on the CPU, none sharing its memory with another.
        metadata: `sha256` is taken from the tensors instead.
        path: Ends in `.safetensors`; its folder must exist.

    Returns:
        The metadata as written.
    """
    tensors = dict(tensors)
    digest = hashlib.sha256(_section(safetensors.torch.save(tensors), path.name)).hexdigest()
    metadata = replace(metadata, sha256=digest)
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
    with open_regular(path) as file:
        header = read_header(file, path.name)
        metadata = WeightsMetadata.from_strings(header.metadata, path.name)
        found = os.fstat(file.fileno()).st_size
    expected = LENGTH_BYTES + header.length + header.section_bytes
    if found < expected:
        raise cut_short(path.name, found, expected)
    return metadata


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
        NotANetwork: It is another project's, and no architecture fits its tensors.
        MissingLibrary: It is another project's, and spandrel is not here.
    """
    with open_regular(path) as file:
        header = read_header(file, path.name)
        metadata = WeightsMetadata.from_strings(header.metadata, path.name)
        if metadata.is_foreign:
            check_tensors(header.shapes, path.name)
        else:
            _check_shapes(metadata, header.shapes, path.name)
        file.seek(0)
        content = file.read(LARGEST_FILE)
    try:
        tensors = safetensors.torch.load(content)
    except safetensors.SafetensorError as error:
        raise NotAWeightsFile(
            f"{path.name} is cut short or damaged ({error}); expected a complete safetensors file; copy it again."
        ) from error
    digest = hashlib.sha256(_section(content, path.name)).hexdigest()
    if digest != metadata.sha256:
        raise HashMismatch(
            f"{path.name} has tensors with SHA-256 {digest[:12]}…, its header says {metadata.sha256[:12]}…; "
            "the file was changed or damaged; copy it again."
        )
    if metadata.is_foreign:
        return LoadedWeights(_foreign(tensors, metadata, path.name), metadata)
    generator = build_generator(metadata.architecture, metadata.config)
    generator.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    generator.requires_grad_(False)
    return LoadedWeights(generator.eval(), metadata)


def _foreign(tensors: dict[str, torch.Tensor], metadata: WeightsMetadata, source: str) -> Generator:
    generator = build_foreign(tensors, source)
    found = (generator.architecture, dict(vars(generator.config)), generator.scale)
    told = (metadata.architecture, metadata.config, metadata.scale)
    if found != told:
        raise InvalidMetadata(f"{source} says that it is {told}, its tensors are {found}; convert it again.")
    return generator


def _check_shapes(metadata: WeightsMetadata, shapes: dict[str, tuple[int, ...]], source: str) -> None:
    """Compare the header's tensors with those of the configuration, before memory is taken for either."""
    most = min(_LARGEST_SETTING, max([len(shapes), *(side for shape in shapes.values() for side in shape)]))
    too_large = {name: value for name, value in metadata.config.items() if value > most}
    if too_large:
        raise ShapeMismatch(
            f"{source} has a configuration of {too_large}, but no more than {most} tensors, or channels in one; "
            "export it again."
        )
    with torch.device("meta"):
        generator = build_generator(metadata.architecture, metadata.config)
    expected = generator.state_dict()
    missing, foreign = sorted(set(expected) - set(shapes)), sorted(set(shapes) - set(expected))
    if missing or foreign:
        parts = [f"lacks {_some(missing)}"] if missing else []
        parts += [f"has the foreign {_some(foreign)}"] if foreign else []
        raise KeyMismatch(
            f"{source} {' and '.join(parts)}; expected exactly the {len(expected)} tensors that its config gives; "
            "export it again, or convert it with `neural-upscale convert`."
        )
    for name, tensor in expected.items():
        if shapes[name] != tuple(tensor.shape):
            raise ShapeMismatch(
                f"{source} has {name} of shape {shapes[name]}; its config gives {tuple(tensor.shape)}; export it again."
            )
    if sum(math.prod(shape) for shape in shapes.values()) > LARGEST_FILE // 2:
        raise NotAWeightsFile(f"{source} is larger than {LARGEST_FILE >> 20} MiB; expected a smaller generator.")


def _some(names: list[str]) -> str:
    shown = ", ".join(name[:60] for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _section(content: bytes, source: str) -> memoryview:
    """Return the tensors' bytes."""
    return memoryview(content)[LENGTH_BYTES + header_length(content[:LENGTH_BYTES], source) :]
