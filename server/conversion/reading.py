"""Reads the tensors of a foreign file. Pickles go through torch's restricted reader, which runs no code."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weights.generators.foreign import check_tensors

WRAPPERS = ("model_state_dict", "params_ema", "params-ema", "params", "state_dict", "model", "net")
PREFIXES = ("module.", "netG.")
KINDS = (".safetensors", ".pth", ".pt", ".ckpt")
REPEATED = 4  # times the bytes of the file that its tensors may have: some share theirs, some files are packed
LARGEST_FILE = 1 << 31  # bytes; training states hold more than the network


class CannotConvert(Exception):
    """A file that is no network of a known kind; one sentence."""


def read_tensors(source: Path) -> dict[str, Tensor]:
    """Read the tensors of a foreign file, out of whatever they are wrapped in.

    Args:
        source: .safetensors, or .pth, .pt or .ckpt.

    Returns:
        Name → tensor, on the CPU; of sizes that can be worked with.

    Raises:
        CannotConvert: The file holds something else, or wants to run code.
        NotANetwork: The tensors are too many or too large.
    """
    _check_file(source)
    try:
        if source.suffix == ".safetensors":
            import safetensors.torch

            found: Any = safetensors.torch.load_file(source)
        else:
            found = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as fault:
        told = (str(fault).splitlines() or [type(fault).__name__])[0][:100]
        if isinstance(fault, pickle.UnpicklingError):  # whose own sentence is advice to run the code
            told = "damaged, or with code in it"
        raise CannotConvert(
            f"{source.name} is not a file of tensors alone ({told}); get it as .safetensors from its author."
        ) from fault
    for wrapper in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    tensors = {str(name): each for name, each in found.items() if _is_plain(each)} if isinstance(found, dict) else {}
    if not tensors:
        raise CannotConvert(f"{source.name} holds no named tensors; expected a network's parameters; choose another.")
    check_tensors({name: tuple(each.shape) for name, each in tensors.items()}, source.name)
    size, held = sum(each.nbytes for each in tensors.values()), source.stat().st_size
    if size > REPEATED * held:  # a few values, repeated: work without end out of a small file
        raise CannotConvert(
            f"{source.name} tells of {size >> 20} MiB of tensors in a file of {held >> 10} KiB; expected every value "
            "in it; get the file from its author again."
        )
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in tensors):
            tensors = {name.removeprefix(prefix): each for name, each in tensors.items()}
    return tensors


def _check_file(source: Path) -> None:
    if not source.is_file():
        raise CannotConvert(f"There is no file {source}; check its name.")
    if source.suffix not in KINDS:
        raise CannotConvert(f"{source.name} is none of {', '.join(KINDS)}; choose a network's file.")
    unpacked = source.stat().st_size
    if source.suffix != ".safetensors" and zipfile.is_zipfile(source):
        try:
            with zipfile.ZipFile(source) as archive:
                unpacked = max(unpacked, sum(each.file_size for each in archive.infolist()))
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as fault:
            raise CannotConvert(f"{source.name} is cut short or damaged ({fault}); download it again.") from fault
    if unpacked > LARGEST_FILE:
        raise CannotConvert(f"{source.name} unpacks to {unpacked >> 20} MiB; expected {LARGEST_FILE >> 20} at most.")


def _is_plain(each: Any) -> bool:
    return isinstance(each, Tensor) and each.layout == torch.strided and not each.is_complex()
