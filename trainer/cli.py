"""The command line: words in, one function of the trainer called, sentences out. Nothing is computed here."""

from __future__ import annotations

import argparse
import json
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
    from weights.errors import WeightsError

    parsed = _parser().parse_args(arguments)
    parsed.words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code: int = parsed.run(parsed)
    except (TrainerError, WeightsError, OSError) as error:
        print(f"trainer: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print("trainer: stopped; the same command goes on from the last checkpoint", file=sys.stderr)  # noqa: T201
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    from trainer.flags import add_flags

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
    training.add_argument("--phase", choices=("pixel", "adversarial", "both"), default="both", help="what to train")
    training.add_argument(
        "--start", type=Path, metavar="WEIGHTS", help="faithful weights file that the adversarial phase starts from"
    )
    add_flags(training)
    training.set_defaults(run=_train)

    evaluation = commands.add_parser("evaluate", help="measure weights files on pictures, beside bicubic")
    evaluation.add_argument("weights", type=Path, nargs="*", metavar="WEIGHTS", help="`.safetensors` files")
    evaluation.add_argument("--images", type=Path, required=True, metavar="DIR", help="high-resolution pictures")
    evaluation.add_argument("--json", action="store_true", help="print JSON instead of a table")
    evaluation.set_defaults(run=_evaluate)

    exporting = commands.add_parser("export", help="write a weights file and its card from a run folder")
    exporting.add_argument("run_dir", type=Path, metavar="RUN", help="folder that `train` filled")
    exporting.add_argument("--to", type=Path, required=True, metavar="FILE", help="the `.safetensors` file to write")
    exporting.add_argument("--phase", choices=("pixel", "adversarial"), default="pixel", help="faithful or detailed")
    exporting.add_argument("--best", action="store_true", help="the best by validation instead of the last")
    exporting.add_argument(
        "--benchmark", action="append", default=[], metavar="NAME=DIR", help="pictures to measure on"
    )
    exporting.add_argument("--title", default="", help="a name for people; default: the file's name")
    exporting.add_argument("--licence", default="CC-BY-SA-4.0", help="SPDX expression of the weights")
    exporting.add_argument("--description", default="", help="one or two sentences")
    exporting.add_argument("--hardware", default="", help="what it was trained on")
    exporting.add_argument("--history", default="", help="a line on this version, for the card")
    exporting.add_argument("--weaknesses", default="", help="what it does badly, for the card")
    exporting.add_argument("--sources", type=Path, metavar="CSV", help="table of the photos with a column `licence`")
    exporting.set_defaults(run=_export)
    return parser


def _slice(parsed: argparse.Namespace) -> int:
    from trainer.slicing import slice_photos

    patch_set = slice_photos(parsed.photos, parsed.out, processes=parsed.processes)
    print(f"{len(patch_set.train)} patches to train on, {len(patch_set.validation)} to validate")  # noqa: T201
    return 0


def _train(parsed: argparse.Namespace) -> int:
    import torch

    from trainer.distributed import joined
    from trainer.flags import config_from
    from trainer.patches import PatchSet
    from trainer.training import train

    config = config_from(parsed)
    name = parsed.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    with joined(torch.device(name)) as (world, device):
        phases = ("pixel", "adversarial") if parsed.phase == "both" else (parsed.phase,)
        train(PatchSet.load(parsed.patches), config, parsed.run_dir, device, phases, parsed.start, parsed.words, world)
        if world.leads:
            print(f"{' and '.join(phases)} phase finished: {parsed.run_dir}")  # noqa: T201
    return 0


def _evaluate(parsed: argparse.Namespace) -> int:
    from trainer.evaluation import enlarger_of, evaluate, table
    from weights import load_generator

    enlargers = {path.stem: enlarger_of(load_generator(path).generator) for path in parsed.weights}
    rows = evaluate(enlargers, parsed.images)
    print(json.dumps([vars(row) for row in rows], indent=1) if parsed.json else table(rows))  # noqa: T201
    return 0 if all(row.psnr >= rows[0].psnr for row in rows) else 1


def _export(parsed: argparse.Namespace) -> int:
    from trainer.card import Description
    from trainer.export import export_run

    words = Description(
        title=parsed.title or parsed.to.stem,
        licence=parsed.licence,
        text=parsed.description,
        hardware=parsed.hardware,
        history=parsed.history,
        weaknesses=parsed.weaknesses,
    )
    benchmarks = {name: Path(folder) for name, _, folder in (part.partition("=") for part in parsed.benchmark)}
    metadata = export_run(parsed.run_dir, parsed.to, words, benchmarks, parsed.sources, parsed.phase, best=parsed.best)
    print(f"{parsed.to}: {json.dumps(metadata.metrics)}")  # noqa: T201
    return 0
