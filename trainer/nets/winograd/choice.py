"""Chooses Winograd's filtering for the convolutions of a training where it is faster and can be built."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import NamedTuple

import torch

from trainer.config import TrainingConfig
from trainer.errors import ConfigError
from trainer.folders import cache_folder
from weights import NativeError
from weights.winograd import library

SOURCE = Path(__file__).with_name("passes.cpp")


class Choice(NamedTuple):
    """The way to convolve that was chosen."""

    passes: ctypes.CDLL | None  # The library of passes.cpp; None leaves the convolutions to torch
    log_message: str  # What the run's log says about it, a clause; empty where there was nothing to choose


def chosen_passes(config: TrainingConfig, device: torch.device) -> Choice:
    """Choose by settings, device, and whether there is a library; builds one where the package brought none.

    Args:
        config: The settings.
        device: Where it trains.

    Returns:
        The choice.

    Raises:
        ConfigError: Winograd is asked for and cannot be had.
    """
    asked = config.convolutions == "winograd"
    if config.convolutions == "torch" or not (asked or _is_of_use(config, device)):
        return Choice(None, "")
    if device.type != "cpu":
        raise ConfigError(
            f"--convolutions is winograd and the device {device}, expected cpu; train with --convolutions auto"
        )
    try:
        return Choice(load_passes(), "convolutions by Winograd's filtering, in float32")
    except NativeError as fault:
        if asked:
            raise ConfigError(
                f"--convolutions is winograd, which cannot be had: {fault}; or train with --convolutions auto"
            ) from fault
        return Choice(None, f"convolutions by torch, because Winograd's filtering, which is faster, fails: {fault}")


def load_passes() -> ctypes.CDLL:
    """Load the library of passes.cpp, which came with the package or is built here.

    Returns:
        The library, its functions declared.

    Raises:
        NativeError: It cannot be built here.
    """
    return declared(library(SOURCE, cache_folder() / "native"))


def declared(native: ctypes.CDLL) -> ctypes.CDLL:
    """Return a library of passes.cpp with the types of its functions declared."""
    number, pointer = ctypes.c_int, ctypes.c_void_p
    native.passes_new.argtypes, native.passes_new.restype = [number, number, number], pointer
    native.passes_delete.argtypes, native.passes_delete.restype = [pointer], None
    native.passes_state.argtypes, native.passes_state.restype = [pointer, number, number], ctypes.c_size_t
    for function in (native.passes_forward, native.passes_backward):
        function.argtypes = [pointer, number, pointer, number, number, number, pointer, pointer, pointer]
    return native


def _is_of_use(config: TrainingConfig, device: torch.device) -> bool:
    fits = config.architecture == "compact" and not config.compile and config.precision in ("auto", "float32")
    return fits and device.type == "cpu"
