"""`neural-upscale convert`: foreign .pth files become weights files, offline. The server never reads a .pth.

Known are Real-ESRGAN's ×2 networks, by their keys: SRVGGNetCompact, and RRDBNet in the form that un-shuffles its input,
with the names of today's files or of ESRGAN's first ones. Reading goes through torch's restricted unpickler.
"""

from __future__ import annotations

import argparse
import pickle
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import weights
from server.device.self_test import self_test_tiles
from server.settings import user_weights_folder

HALOS = (8, 16, 24, 32, 48, 64)  # even: the un-shuffling network sees pairs of pixels
ALLOWED = 0.5 / 255
WRAPPERS = ("params_ema", "params", "state_dict", "model")
OLD_NAMES = (
    (r"^model\.0\.", "conv_first."),
    (r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3."),
    (r"^model\.1\.sub\.\d+\.(weight|bias)$", r"conv_body.\1"),
    (r"^model\.3\.", "conv_up1."),
    (r"^model\.6\.", "conv_up2."),
    (r"^model\.8\.", "conv_hr."),
    (r"^model\.10\.", "conv_last."),
    (r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2."),
    (r"^trunk_conv\.", "conv_body."),
    (r"^upconv(\d)\.", r"conv_up\1."),
    (r"^HRconv\.", "conv_hr."),
)


class CannotConvert(Exception):
    """A file that is no network of a known kind; one sentence."""


def main(argv: Sequence[str] | None = None) -> int:
    """Convert one file; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="neural-upscale convert", description="Make a weights file of a foreign ×2 network (.pth, .safetensors)."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="Real-ESRGAN x2plus, ESRGAN in its form, or Compact")
    parser.add_argument("-o", "--output", type=Path, help="default: its name in the folder that the server watches")
    parser.add_argument("--licence", default="", help="what the file's author allows, for /v1/models")
    parser.add_argument("--overwrite", action="store_true", help="replace a file that is already there")
    arguments = parser.parse_args(argv)
    output = arguments.output or user_weights_folder() / f"{_plain(arguments.file.stem)}.safetensors"
    try:
        if output.suffix != ".safetensors":
            raise CannotConvert(f"{output} does not end in .safetensors; name one that does.")
        if output.exists() and not arguments.overwrite:
            raise CannotConvert(f"{output} is there already; name another with -o, or replace it with --overwrite.")
        written = convert(arguments.file, output, arguments.licence)
    except (CannotConvert, weights.WeightsError, OSError) as fault:
        print(f"neural-upscale convert: {fault}", file=sys.stderr)  # noqa: T201
        return 1
    print(f"{output}: {written.architecture}, halo {written.halo}; use it with --model {output.stem}")  # noqa: T201
    return 0


def convert(source: Path, output: Path, licence: str = "") -> weights.WeightsMetadata:
    """Convert a foreign file.

    Args:
        source: .pth (restricted unpickling) or .safetensors.
        output: the weights file; its folder is made where it is missing.
        licence: for the metadata.

    Returns:
        The metadata as written.
    """
    tensors = {_renamed(name): tensor.float() for name, tensor in read_tensors(source).items()}
    generator = _built(tensors, source.name)
    halo = generator.receptive_radius if generator.architecture == "compact" else _measured_halo(generator)
    output.parent.mkdir(parents=True, exist_ok=True)
    metadata = weights.WeightsMetadata(
        generator.architecture, {}, weights.SCALE, halo, title=source.stem, licence=licence,
        description=f"Converted from {source.name}.", provenance={"source": source.name},
    )  # fmt: skip
    return weights.save_generator(generator, metadata, output)


def read_tensors(source: Path) -> dict[str, Tensor]:
    """Read the tensors of a foreign file, out of whatever they are wrapped in.

    Args:
        source: .pth or .safetensors.

    Returns:
        Name → tensor, on the CPU.

    Raises:
        CannotConvert: the file holds something else, or wants to run code.
    """
    try:
        if source.suffix == ".safetensors":
            import safetensors.torch

            found: Any = safetensors.torch.load_file(source)
        else:
            found = torch.load(source, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise CannotConvert(f"There is no file {source}; check its name.") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as fault:
        raise CannotConvert(
            f"{source.name} is not a file of tensors alone ({str(fault).splitlines()[0][:100]}); get it as "
            ".safetensors from its author."
        ) from fault
    for wrapper in WRAPPERS:
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not isinstance(found, dict) or not found or not all(isinstance(each, Tensor) for each in found.values()):
        raise CannotConvert(f"{source.name} holds no named tensors; expected a network's parameters.")
    return {str(name): tensor for name, tensor in found.items()}


def _renamed(name: str) -> str:
    for pattern, replacement in OLD_NAMES:
        name, count = re.subn(pattern, replacement, name)
        if count:
            return name
    return name


def _built(tensors: dict[str, Tensor], name: str) -> weights.Generator:
    first, compact = tensors.get("conv_first.weight"), tensors.get("body.0.weight")
    if first is not None and "body.0.rdb1.conv1.weight" in tensors:
        if first.shape[1] != 12:
            raise CannotConvert(
                f"{name} is an RRDBNet whose first convolution takes {first.shape[1]} channels; expected 12, as in the "
                "×2 form (Real-ESRGAN x2plus); ×4 networks cannot be used."
            )
        blocks = 1 + max(int(key.split(".")[1]) for key in tensors if key.startswith("body."))
        growth = tensors["body.0.rdb1.conv1.weight"].shape[0]
        generator = weights.build_generator("rrdb", {"features": first.shape[0], "growth": growth, "blocks": blocks})
    elif compact is not None and compact.ndim == 4:
        last = max(int(key.split(".")[1]) for key in tensors)
        outputs = tensors[f"body.{last}.weight"].shape[0]
        if outputs != 3 * weights.SCALE**2:
            raise CannotConvert(
                f"{name} is a Compact with {outputs} output channels; expected 12, as for ×2; use another file."
            )
        generator = weights.build_generator("compact", {"features": compact.shape[0], "layers": last // 2 - 1})
    else:
        raise CannotConvert(
            f"{name} has keys such as {next(iter(tensors))!r}; expected Real-ESRGAN's Compact or RRDBNet, ×2."
        )
    try:
        generator.load_state_dict(tensors)
    except RuntimeError as fault:
        raise CannotConvert(
            f"{name} does not fit {generator.architecture}: {' '.join(str(fault).split())[:200]}"
        ) from None
    return generator.eval()


def _measured_halo(generator: weights.Generator) -> int:
    """Find the smallest halo for which a tile differs from the whole by at most half a level of 255."""
    side = 64 + 2 * max(HALOS)
    picture = torch.from_numpy(np.tile(self_test_tiles()[1:], (1, 1, 4, 4))[:, :, :side, :side].copy())
    inside = slice(max(HALOS), side - max(HALOS))
    doubled = slice(2 * inside.start, 2 * inside.stop)
    with torch.inference_mode():
        whole = weights.enlarge(generator, picture)[..., doubled, doubled]
        for halo in HALOS[:-1]:
            cut = slice(inside.start - halo, inside.stop + halo)
            tile = weights.enlarge(generator, picture[..., cut, cut])
            kept = slice(2 * halo, tile.shape[-1] - 2 * halo)
            if float((tile[..., kept, kept] - whole).abs().max()) <= ALLOWED:
                return halo
    return HALOS[-1]


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "converted"
