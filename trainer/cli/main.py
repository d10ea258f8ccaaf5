"""The command line: words in, one function of the trainer called, sentences out. Nothing is computed here."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.errors import TrainerError

if TYPE_CHECKING:
    from trainer.config import TrainingConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command.

    Args:
        arguments: The words after the program's name; None takes the process's own.

    Returns:
        The exit code: 0, or 1 after an error that the user can mend. Without words, what can be done is printed.
    """
    from trainer.cli.parser import build_parser
    from weights.errors import WeightsError

    commands = {
        "run": _run,
        "slice": _slice,
        "train": _train,
        "evaluate": _evaluate,
        "export": _export,
        "demo": _demo,
    }
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the code page of a Windows lacks is escaped, not refused
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = build_parser(commands)
    if not words:
        parser.print_help()
        return 0
    parsed = parser.parse_args(words)
    parsed.words = words
    try:
        code: int = parsed.run(parsed)
    except (TrainerError, WeightsError) as error:
        print(f"trainer: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except OSError as error:
        what = f"{error.filename} cannot be read or written ({error.strerror})" if error.filename else str(error)
        print(f"trainer: {what}; check the path, its rights and the room on its disk", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print("trainer: stopped; the same command goes on from the last checkpoint", file=sys.stderr)  # noqa: T201
        return 130
    return code


def _print(text: str) -> None:
    print(text)  # noqa: T201


def _slice(parsed: argparse.Namespace) -> int:
    from trainer.cli.arguments import slicing_config_of
    from trainer.data.slicing.noise import camera_table
    from trainer.data.slicing.ray_pool import ray_pool
    from trainer.data.slicing.slicer import slice_with_progress

    patch_set = slice_with_progress(
        parsed.photos,
        parsed.out,
        slicing_config_of(parsed),
        processes=parsed.processes,
        pool=ray_pool(parsed.ray_address) if parsed.workers == "ray" else None,
        seed=parsed.split_seed,
        validation_share=parsed.validation_share,
    )
    for name, reason in patch_set.manifest["skipped"].items():
        _print(f"skipped {name}: {reason}")
    for line in camera_table(patch_set.manifest["photos"]):
        _print(line)
    _print(f"{len(patch_set.train)} patches to train on, {len(patch_set.validation)} to validate: {parsed.out}")
    return 0


def _train(parsed: argparse.Namespace) -> int:
    from trainer.cli.arguments import device_of, training_config_of
    from trainer.data.patch_set import PatchSet
    from trainer.training.distributed import joined
    from trainer.training.session import train

    config = training_config_of(parsed)
    if parsed.lr_find:
        return _find_rate(parsed, config)
    with joined(device_of(parsed.device)) as (world, device):
        phases = ("pixel", "adversarial") if parsed.phase == "both" else (parsed.phase,)
        train(PatchSet.load(parsed.patches), config, parsed.run_dir, device, phases, parsed.start, parsed.words, world)
        if world.leads:
            _print(f"{' and '.join(phases)} phase finished: {parsed.run_dir}")
    return 0


def _find_rate(parsed: argparse.Namespace, config: TrainingConfig) -> int:
    from trainer.cli.arguments import device_of
    from trainer.data.patch_set import PatchSet
    from trainer.training.rate_finder import range_test, table
    from trainer.training.session import started_from

    start = started_from(parsed.start, config) if parsed.start else None
    _print(table(range_test(PatchSet.load(parsed.patches), config, device_of(parsed.device), start)))
    return 0


def _run(parsed: argparse.Namespace) -> int:
    from trainer.cli.arguments import device_of, slicing_config_of, training_config_of
    from trainer.run import Job, run

    job = Job.of(parsed.photos, parsed.name, parsed.run_dir, parsed.weights_dir)
    run(
        job,
        slicing_config_of(parsed),
        training_config_of(parsed),
        device_of(parsed.device),
        start=parsed.start,
        processes=parsed.processes,
        split_seed=parsed.split_seed,
        validation_share=parsed.validation_share,
        words=parsed.words,
        report=_print,
    )
    return 0


def _evaluate(parsed: argparse.Namespace) -> int:
    from trainer.cli.arguments import device_of, metrics_of
    from trainer.metrics.evaluation import evaluate
    from trainer.metrics.pictures import enlarger_of
    from trainer.metrics.table import table
    from weights import load_generator

    device = device_of(parsed.device)
    enlargers = {path.stem: enlarger_of(load_generator(path).generator.to(device)) for path in parsed.weights}
    rows = evaluate(enlargers, parsed.images, metrics_of(parsed, device))
    _print(json.dumps([row.figures() for row in rows], indent=1) if parsed.json else table(rows))
    return 0 if all(row.psnr >= rows[0].psnr for row in rows) else 1


def _export(parsed: argparse.Namespace) -> int:
    from trainer.cli.arguments import benchmarks_of, comes_from_file, description_of, device_of
    from trainer.export.export import export_run, tiles_in_words
    from trainer.export.reexport import reexport
    from trainer.export.toward import Toward

    from_file = comes_from_file(parsed)
    device = device_of(parsed.device)
    words, benchmarks = description_of(parsed, from_file=from_file), benchmarks_of(parsed, device)
    toward = Toward(*parsed.toward) if parsed.toward else None
    if from_file:
        metadata = reexport(parsed.source, parsed.to, words, benchmarks, parsed.sources, parsed.layers, toward, device)
    else:
        phase = parsed.phase or "pixel"
        metadata = export_run(
            parsed.source, parsed.to, words, benchmarks, parsed.sources, phase, best=parsed.best, toward=toward,
            device=device,
        )  # fmt: skip
    _print(f"{parsed.to}: {json.dumps(metadata.metrics)}")
    if metadata.blend:
        _print(f"{parsed.to}: {tiles_in_words(metadata)}")
    if parsed.onnx:
        from trainer.export.onnx import export_onnx

        _print(f"{export_onnx(parsed.to)}: checked in onnxruntime")
    return 0


def _demo(parsed: argparse.Namespace) -> int:
    from trainer.cli.arguments import device_of
    from trainer.metrics.demo import write_strips
    from trainer.metrics.pictures import enlarger_of
    from weights import load_generator

    device = device_of(parsed.device)
    enlargers = {path.stem: enlarger_of(load_generator(path).generator.to(device)) for path in parsed.weights}
    for file in write_strips(enlargers, parsed.images, parsed.out, parsed.side):
        _print(str(file))
    return 0
