"""The command line's words: sub-commands, flags, and what they are for. Imports nothing heavy."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from trainer.cli.config_flags import add_flags
from trainer.cli.flag_types import camera_reduction, named_folder, quality, reductions, weights_and_share

Command = Callable[[argparse.Namespace], int]

NEXT_STEPS = """what can be done next:
  python -m trainer run PHOTOS --name first --preset quick         a first pair of models in five minutes, no GPU needed
  python -m trainer run PHOTOS --name mine                         a good one in hours; again to go on
  python -m trainer run PHOTOS --name mine --preset compact-gpu    the same on a GPU
  python -m trainer train PATCHES --run-dir DIR --subset 0.1       one phase, on a tenth of the patches
  python -m trainer train PATCHES --run-dir DIR --lr-find          a table of learning rates, and a proposal
  python -m trainer evaluate WEIGHTS --images PICTURES             what a model gains over bicubic
  python -m trainer COMMAND --help                                 every flag of a command
docs/training.md has which setting is for what."""


def build_parser(commands: Mapping[str, Command]) -> argparse.ArgumentParser:
    """Build the parser.

    Args:
        commands: What to call for each sub-command.

    Returns:
        The parser; `run` of what it returns is the sub-command's function.
    """
    parser = argparse.ArgumentParser(
        prog="python -m trainer",
        description="Train a ×2 generator on your photos.",
        epilog=NEXT_STEPS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added = parser.add_subparsers(required=True, metavar="COMMAND")
    described = {
        "run": ("photos in, a pair of models in the server's folder out; the same command goes on", _add_run),
        "slice": ("cut photos into patches", _add_slice),
        "train": ("train a generator on patches", _add_train),
        "evaluate": ("measure weights files on pictures, beside bicubic", _add_evaluate),
        "export": ("write a weights file and its card from a run folder or a weights file", _add_export),
        "demo": ("write strips: original | bicubic | generator", _add_demo),
    }
    for name, (purpose, add) in described.items():
        command = added.add_parser(name, help=purpose, description=purpose[0].upper() + purpose[1:] + ".")
        add(command)
        command.set_defaults(run=commands[name])
    return parser


def _add_slicing(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("slicing")
    group.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="processes that cut")
    group.add_argument(
        "--reductions", type=reductions, default=(1, 2, 4, 8), metavar="N,N…", help="sizes at which photos are cut"
    )
    group.add_argument(
        "--reduce", type=camera_reduction, action="append", default=[], metavar="MODEL=N",
        help="reduce a noisy camera's photos first; MODEL as EXIF has it",
    )  # fmt: skip
    group.add_argument("--stride", type=int, default=256, metavar="PX", help="pixels from patch to patch")
    group.add_argument("--flat-below", type=float, default=4.0, metavar="X", help="least contrast, of 255")
    group.add_argument("--blurred-below", type=float, default=1.0, metavar="X", help="least fine detail, of 255")
    group.add_argument(
        "--flat-share", type=float, default=0.02, metavar="X",
        help="share of the flat and blurred patches that is kept to train on, so that they are left alone",
    )  # fmt: skip
    group.add_argument("--split-seed", type=int, default=0, metavar="N", help="draws the photos that validate")
    group.add_argument("--validation-share", type=float, default=0.03, metavar="X", help="share of the photos, 0…1")


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", type=Path, metavar="PHOTOS", help="folder of photos, any tree")
    parser.add_argument("--name", default="", help="name of the pair; default: the folder's")
    parser.add_argument("--run-dir", type=Path, metavar="DIR", help="patches and checkpoints; default: runs/NAME")
    parser.add_argument("--weights-dir", type=Path, metavar="DIR", help="default: where the server looks")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps or xpu")
    _add_start(parser)
    _add_slicing(parser)
    add_flags(parser)


def _add_slice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", type=Path, metavar="PHOTOS")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the patches")
    parser.add_argument("--workers", choices=("local", "ray"), default="local", help="ray: cut on a cluster")
    parser.add_argument("--ray-address", metavar="HOST:PORT", help="its head; default: RAY_ADDRESS, or this machine")
    _add_slicing(parser)


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("patches", type=Path, metavar="PATCHES", help="folder that `slice` filled")
    parser.add_argument("--run-dir", type=Path, required=True, metavar="DIR", help="folder for checkpoints")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps or xpu")
    parser.add_argument("--phase", choices=("pixel", "adversarial", "both"), default="pixel", help="what to train")
    parser.add_argument(
        "--lr-find", action="store_true",
        help="train nothing; print how the pixel phase's loss answers to rates from 1e-6 to 1, and propose one",
    )  # fmt: skip
    _add_start(parser)
    add_flags(parser)


def _add_start(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--start", type=Path, metavar="WEIGHTS",
        help="weights file that the first phase goes on from; with more layers or features in --generator it grows",
    )  # fmt: skip


def _add_measures(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--niqe-model", type=Path, metavar="FILE", help="NIQE's pristine model (.npz); adds NIQE")
    parser.add_argument(
        "--feature-network", choices=("squeezenet", "vgg16", "vgg19"),
        help="adds perceptual distance, feature loss, FID, precision and recall",
    )  # fmt: skip
    parser.add_argument("--feature-weights", type=Path, metavar="FILE", help="its weights; default: fetched once")
    parser.add_argument(
        "--jpeg", type=quality, action="append", default=[], metavar="QUALITY",
        help="also measures from reduced pictures kept as JPEG (4:2:0); may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--texture", action="store_true",
        help="adds energy at periods of 2 and 4 pixels (of the originals': 1 is right) and detail in blurred parts",
    )  # fmt: skip


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path, nargs="*", metavar="WEIGHTS", help="`.safetensors` files")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="high-resolution pictures")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps or xpu")
    _add_measures(parser)


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", type=Path, metavar="SOURCE",
        help="folder that `train` filled; or a weights file, of which stays what is not given or taken anew",
    )  # fmt: skip
    parser.add_argument("--to", type=Path, required=True, metavar="FILE", help="the `.safetensors` file to write")
    parser.add_argument(
        "--phase", choices=("pixel", "adversarial"), help="of a folder: faithful (pixel, the default) or detailed"
    )
    parser.add_argument("--device", default="auto", help="where it is measured: auto, cpu, cuda, cuda:N, mps or xpu")
    parser.add_argument("--best", action="store_true", help="of a folder: the best by validation, not the last")
    parser.add_argument(
        "--layers", type=int, metavar="N",
        help="of a weights file: puts layers in that change nothing until they are trained, up to so many",
    )  # fmt: skip
    parser.add_argument(
        "--toward", type=weights_and_share, metavar="WEIGHTS=SHARE",
        help="moves the generator toward another of the same size: at a share of 1 it is the other",
    )  # fmt: skip
    parser.add_argument(
        "--benchmark", type=named_folder, action="append", default=[], metavar="NAME=DIR", help="pictures to measure on"
    )
    parser.add_argument(
        "--beside", type=Path, action="append", default=[], metavar="WEIGHTS",
        help="another weights file, measured beside this one in the card; may be repeated",
    )  # fmt: skip
    _add_measures(parser)
    parser.add_argument("--onnx", action="store_true", help="write NAME.onnx beside it, checked in onnxruntime")
    parser.add_argument("--title", default="", help="a name for people; default: the file's name")
    parser.add_argument("--licence", default="", help="SPDX expression of the weights; default: none is stated")
    parser.add_argument("--description", default="", help="one or two sentences")
    parser.add_argument("--hardware", default="", help="what it was trained on")
    parser.add_argument("--history", default="", help="a line on this version, for the card")
    parser.add_argument("--weaknesses", default="", help="what it does badly, for the card")
    parser.add_argument(
        "--picture", type=Path, action="append", default=[], metavar="FILE",
        help="a picture that the card shows, as `demo` writes them; may be repeated",
    )  # fmt: skip
    parser.add_argument("--sources", type=Path, metavar="CSV", help="table of the photos with a column `licence`")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("weights", type=Path, nargs="+", metavar="WEIGHTS", help="`.safetensors` files")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="high-resolution pictures")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the strips (PNG)")
    parser.add_argument("--side", type=int, default=256, metavar="PX", help="side of the cut-out, high resolution")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N, mps or xpu")
