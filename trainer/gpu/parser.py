"""The command line's words. Imports nothing heavy."""

from __future__ import annotations

import argparse
from pathlib import Path

from trainer.flags import add_flags
from trainer.gpu.travel import KEEP

RUN = Path("runs/gpu")


def build_parser() -> argparse.ArgumentParser:
    """Build the parser; `command` of what it returns is the sub-command's name."""
    parser = argparse.ArgumentParser(
        prog="python -m trainer.gpu", description="Train and measure on a GPU that is lent for half an hour."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    _add_travelling(commands)
    for name, purpose in (("faithful", "the pixel phase"), ("adversarial", "the adversarial phase")):
        _add_training(commands.add_parser(name, help=f"train {purpose} until the time is up, or go on with it"))
    packing = commands.add_parser("pack", help="cut a checkpoint into parts to carry home")
    packing.add_argument("phase", choices=("pixel", "adversarial"))
    _add_carrying(packing, required=True)
    _add_shipping(commands.add_parser("ship", help="write a weights file in half precision, and its card"))
    _add_measuring(commands.add_parser("measure", help="take the figures for docs/"))
    trying = commands.add_parser("try", help="find out beforehand, for both phases, whether torch.compile pays")
    trying.add_argument("--run", type=Path, default=RUN, metavar="DIR", help="run folder (%(default)s)")
    trying.add_argument("--compile-limit", type=float, default=240.0, metavar="S", help="seconds for each")
    trying.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add_flags(trying)
    trial = commands.add_parser("trial", help="what `try` and the training start: measures in a process of its own")
    trial.add_argument("request", type=Path)
    return parser


def _add_travelling(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    splitting = commands.add_parser("split", help="spread a folder over folders that are small enough to travel")
    splitting.add_argument("source", type=Path, metavar="FOLDER")
    splitting.add_argument("--to", type=Path, required=True, metavar="DIR")
    splitting.add_argument("--part-mib", type=float, default=50.0, metavar="X", help="largest folder, MiB")
    unpacking = commands.add_parser("unpack", help="put photos that have come where the training looks for them")
    unpacking.add_argument("parts", type=Path, nargs="+", metavar="PART", help="folders that `split` made")
    unpacking.add_argument("--run", type=Path, default=RUN, metavar="DIR")
    joining = commands.add_parser("join", help="put a file together again")
    joining.add_argument("listings", type=Path, nargs="+", metavar="NAME.json", help="the lists beside the parts")
    joining.add_argument("--to", type=Path, required=True, metavar="DIR")
    taking = commands.add_parser("take-up", help="make a run folder's checkpoint of a packed one")
    taking.add_argument("packed", type=Path, metavar="FILE", help="what `join` put together")
    taking.add_argument("--run", type=Path, default=RUN, metavar="DIR")


def _add_training(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--minutes", type=float, required=True, metavar="X", help="after which this process has ended")
    add(
        "--schedule-minutes", type=float, required=True, metavar="X",
        help="of training, earlier calls included, at whose end the rate is lowest",
    )  # fmt: skip
    add("--ends-here", action="store_true", help="the rate is lowest at this call's end instead")
    add("--compile-limit", type=float, default=180.0, metavar="S", help="seconds that trying torch.compile may take")
    add("--validate-seconds", type=float, default=60.0, metavar="S", help="of training between validations")
    add("--checkpoint-seconds", type=float, default=120.0, metavar="S", help="of training between checkpoints")
    add("--start", type=Path, metavar="WEIGHTS", help="weights file to begin with")
    add("--commit", default="", help="of the code, where there is no git")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    _add_carrying(parser, required=False)
    add_flags(parser)


def _add_carrying(parser: argparse.ArgumentParser, *, required: bool) -> None:
    add = parser.add_argument
    add("--run", type=Path, default=RUN, metavar="DIR", help="run folder (%(default)s)")
    add("--out", type=Path, required=required, metavar="DIR", help="folder for parts of the checkpoint")
    add("--keep", choices=KEEP, default=KEEP[0], help="how much of the checkpoint (%(default)s)")
    add("--part-mib", type=float, default=15.75, metavar="X", help="largest part, MiB (%(default)s)")
    add("--first-part", type=int, default=0, metavar="N", help="the first part to write (%(default)s)")
    add("--parts", type=int, default=4, metavar="N", help="how many parts to write (%(default)s)")


def _add_shipping(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("phase", choices=("pixel", "adversarial"))
    add("--run", type=Path, default=RUN, metavar="DIR", help="run folder (%(default)s)")
    add("--to", type=Path, required=True, metavar="FILE", help="the `.safetensors` file")
    add("--best", action="store_true", help="the best by validation instead of the last")
    add("--benchmarks", type=Path, required=True, metavar="DIR", help="a sub-folder for each set")
    add("--sources", type=Path, metavar="CSV", help="table of the photos with a column `licence`")
    add("--title", default="", help="a name for people")
    add("--licence", default="CC-BY-SA-4.0", help="SPDX expression of the weights")
    add("--description", default="", help="one or two sentences")
    add("--history", default="", help="a line on this version, for the card")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--out", type=Path, metavar="DIR", help="folder for file and card in parts")
    add("--part-mib", type=float, default=15.75, metavar="X", help="largest part, MiB (%(default)s)")


def _add_measuring(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("weights", type=Path, nargs="*", metavar="WEIGHTS", help="weights files, all in one folder")
    add("--run", type=Path, default=RUN, metavar="DIR", help="run folder (%(default)s)")
    add("--minutes", type=float, required=True, metavar="X", help="after which nothing more is begun")
    add("--benchmarks", type=Path, required=True, metavar="DIR", help="a sub-folder for each set")
    add("--evaluate-flags", default="", metavar="WORDS", help="more words for `python -m trainer evaluate`")
    add("--layer", default="4000x3000", metavar="WxH", help="pixels of the layer that is served (%(default)s)")
    add("--matrix-side", type=int, default=8192, metavar="N", help="of the matrices to measure with (%(default)s)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--out", type=Path, metavar="DIR", help="folder for a copy of the figures")
