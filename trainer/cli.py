"""The command line: words in, one function of the trainer called, sentences out. Nothing is computed here."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from trainer.errors import TrainerError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command.

    Args:
        arguments: The words after the program's name; None takes the process's own.

    Returns:
        The exit code: 0, or 1 after an error that the user can mend.
    """
    parsed = _parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except (TrainerError, OSError) as error:
        print(f"trainer: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print("trainer: stopped; the same command goes on from the last checkpoint", file=sys.stderr)  # noqa: T201
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    from trainer.config import add_flags

    parser = argparse.ArgumentParser(prog="python -m trainer", description="Train a ×2 generator on your photos.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    slicing = commands.add_parser("slice", help="cut photos into patches")
    slicing.add_argument("photos", type=Path, metavar="PHOTOS")
    slicing.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the patches")
    slicing.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="processes that cut")
    slicing.set_defaults(run=_slice)

    training = commands.add_parser("train", help="train a generator on patches")
    training.add_argument("patches", type=Path, metavar="PATCHES", help="folder that `slice` filled")
    training.add_argument("--run-dir", type=Path, required=True, metavar="DIR", help="folder for checkpoints")
    training.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add_flags(training)
    training.set_defaults(run=_train)
    return parser


def _slice(parsed: argparse.Namespace) -> int:
    from trainer.slicing import slice_photos

    patch_set = slice_photos(parsed.photos, parsed.out, processes=parsed.processes)
    print(f"{len(patch_set.train)} patches to train on, {len(patch_set.validation)} to validate")  # noqa: T201
    return 0


def _train(parsed: argparse.Namespace) -> int:
    import torch

    from trainer.config import config_from
    from trainer.patches import PatchSet
    from trainer.training import train_pixel_phase

    config = config_from(parsed)
    name = parsed.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    training = train_pixel_phase(PatchSet.load(parsed.patches), config, parsed.run_dir, torch.device(name))
    print(f"{training.step} steps in {training.seconds / 60:.1f} minutes: {parsed.run_dir}")  # noqa: T201
    return 0
