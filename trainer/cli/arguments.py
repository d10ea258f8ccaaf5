"""Turns parsed flags into the values that the trainer's functions take.

Imports what is heavy only where it is called, so that `--help` and a wrong flag are answered at once.
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from trainer.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from trainer.config import TrainingConfig
    from trainer.data.slicing.cutting import SlicingConfig
    from trainer.export.benchmarks import Benchmarks
    from trainer.export.card import Description
    from trainer.metrics.extra_metrics import ExtraMetrics


def device_of(name: str) -> torch.device:
    """Find the device of a name, and try it.

    Args:
        name: "auto" takes the first GPU, or the processor without one; else as torch calls it: cpu, cuda, cuda:1, mps,
            xpu.

    Returns:
        A device on which tensors can be made.

    Raises:
        ConfigError: This machine, or this build of torch, has no such device.
    """
    import torch

    if name == "auto":
        name = automatic_device()
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--device {name} cannot be used ({reason}); expected auto, cpu, cuda, mps or xpu") from error
    return device


def automatic_device() -> str:
    """Return the name of the first GPU that torch can use, or "cpu"."""
    import torch

    gpus = {"cuda": torch.cuda, "mps": torch.backends.mps, "xpu": torch.xpu}
    return next((name for name, backend in gpus.items() if backend.is_available()), "cpu")


def slicing_config_of(parsed: argparse.Namespace) -> SlicingConfig:
    """Read how photos are to be cut.

    Args:
        parsed: The flags of `slice`, or of `run`.

    Returns:
        The settings.

    Raises:
        ConfigError: Flags are out of range; all of them are named.
    """
    from trainer.data.slicing.cutting import SlicingConfig

    faults = []
    if parsed.stride < 1:
        faults.append(f"--stride is {parsed.stride}, expected at least 1")
    if not 0 <= parsed.validation_share < 1:
        faults.append(f"--validation-share is {parsed.validation_share}, expected at least 0 and below 1")
    if not 0 <= parsed.flat_share <= 1:
        faults.append(f"--flat-share is {parsed.flat_share}, expected 0 to 1")
    if parsed.processes < 1:
        faults.append(f"--processes is {parsed.processes}, expected at least 1")
    if faults:
        raise ConfigError(f"The photos cannot be sliced: {'; '.join(faults)}; correct them together.")
    return SlicingConfig(
        reductions=parsed.reductions,
        stride=parsed.stride,
        flat_below=parsed.flat_below,
        blurred_below=parsed.blurred_below,
        flat_share=parsed.flat_share,
        camera_reductions=tuple(sorted(parsed.reduce)),
    )


def training_config_of(parsed: argparse.Namespace) -> TrainingConfig:
    """Read the settings; a training from a weights file has its generator unless another is given.

    Args:
        parsed: The flags of `train`, or of `run`.

    Returns:
        The settings, checked.
    """
    from trainer.cli.config_flags import config_from
    from weights import read_metadata

    if parsed.start is None:
        return config_from(parsed)
    start = read_metadata(parsed.start)
    return config_from(parsed, {"architecture": start.architecture, "generator": start.config})


def metrics_of(parsed: argparse.Namespace, device: torch.device) -> ExtraMetrics:
    """Read what is to be measured beside PSNR and SSIM.

    Args:
        parsed: The flags that `evaluate` and `export` share.
        device: Where feature networks compute.

    Returns:
        The measures, their files loaded.
    """
    from trainer.metrics.extra_metrics import ExtraMetrics

    metrics = ExtraMetrics.of(parsed.niqe_model, parsed.feature_network, parsed.feature_weights, device)
    return dataclasses.replace(metrics, texture=parsed.texture, jpeg_qualities=tuple(parsed.jpeg))


def comes_from_file(parsed: argparse.Namespace) -> bool:
    """Return whether `export` starts from a weights file; otherwise it exports a run folder.

    Args:
        parsed: The flags of `export`.

    Returns:
        Whether the source is a weights file.

    Raises:
        ConfigError: A flag came that goes with the other kind of source.
    """
    from_file: bool = parsed.source.suffix == ".safetensors"
    if parsed.layers is not None and not from_file:
        raise ConfigError(
            f"--layers came with the folder {parsed.source}, expected a weights file with it; export the folder first, "
            "or train with --start and more layers in --generator."
        )
    if from_file and (parsed.phase or parsed.best):
        raise ConfigError(
            f"--phase or --best came with the weights file {parsed.source}, expected a folder that `train` filled; "
            "leave them out, or name the folder."
        )
    return from_file


def description_of(parsed: argparse.Namespace, *, from_file: bool) -> Description:
    """Read the card's words; a weights file written anew keeps those that are not given.

    Args:
        parsed: The flags of `export`.
        from_file: Whether a weights file is written anew.

    Returns:
        The words.
    """
    from trainer.export.card import Description

    return Description(
        title=parsed.title or ("" if from_file else parsed.to.stem),
        licence=parsed.licence,
        text=parsed.description,
        hardware=parsed.hardware,
        history=parsed.history,
        weaknesses=parsed.weaknesses,
        pictures=tuple(parsed.picture),
    )


def benchmarks_of(parsed: argparse.Namespace, device: torch.device) -> Benchmarks:
    """Read what an exported generator is measured on, by what, and beside which files.

    Args:
        parsed: The flags of `export`.
        device: Where it is measured.

    Returns:
        The benchmarks, the measures, the generators beside, loaded.
    """
    from trainer.export.benchmarks import Benchmarks
    from weights import load_generator

    return Benchmarks(
        dict(parsed.benchmark),
        metrics_of(parsed, device),
        {path.stem: load_generator(path).generator.to(device) for path in parsed.beside},
    )
