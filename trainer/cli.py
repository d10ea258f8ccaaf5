"""The command line: words in, one function of the trainer called, sentences out. Nothing is computed here."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.errors import TrainerError

if TYPE_CHECKING:
    import torch

    from trainer.config import TrainingConfig
    from trainer.measuring.measures import Measures
    from trainer.slicing.cutting import SlicingConfig


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command.

    Args:
        arguments: The words after the program's name; None takes the process's own.

    Returns:
        The exit code: 0, or 1 after an error that the user can mend.
    """
    from trainer.parser import build_parser
    from weights.errors import WeightsError

    commands = {
        "run": _run,
        "slice": _slice,
        "train": _train,
        "evaluate": _evaluate,
        "export": _export,
        "demo": _demo,
    }
    parsed = build_parser(commands).parse_args(arguments)
    parsed.words = list(sys.argv[1:] if arguments is None else arguments)
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


def _say(text: str) -> None:
    print(text)  # noqa: T201


def _device(name: str) -> torch.device:
    import torch

    from trainer.errors import ConfigError

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"--device {name} cannot be used ({reason}); expected auto, cpu, cuda or mps") from error
    return device


def _slicing_config(parsed: argparse.Namespace) -> SlicingConfig:
    from trainer.errors import ConfigError
    from trainer.slicing.cutting import SlicingConfig

    faults = []
    if parsed.stride < 1:
        faults.append(f"--stride is {parsed.stride}, expected at least 1")
    if not 0 <= parsed.validation_share < 1:
        faults.append(f"--validation-share is {parsed.validation_share}, expected at least 0 and below 1")
    if parsed.processes < 1:
        faults.append(f"--processes is {parsed.processes}, expected at least 1")
    if faults:
        raise ConfigError(f"The photos cannot be sliced: {'; '.join(faults)}; correct them together.")
    return SlicingConfig(
        reductions=parsed.reductions,
        stride=parsed.stride,
        flat_below=parsed.flat_below,
        blurred_below=parsed.blurred_below,
        camera_reductions=tuple(sorted(parsed.reduce)),
    )


def _slice(parsed: argparse.Namespace) -> int:
    from trainer.slicing.crew_ray import ray_crew
    from trainer.slicing.slicer import slice_with_progress

    patch_set = slice_with_progress(
        parsed.photos,
        parsed.out,
        _slicing_config(parsed),
        processes=parsed.processes,
        crew=ray_crew(parsed.ray_address) if parsed.workers == "ray" else None,
        seed=parsed.split_seed,
        validation_share=parsed.validation_share,
    )
    for name, reason in patch_set.manifest["skipped"].items():
        _say(f"skipped {name}: {reason}")
    _say(f"{len(patch_set.train)} patches to train on, {len(patch_set.validation)} to validate: {parsed.out}")
    return 0


def _training_config(parsed: argparse.Namespace) -> TrainingConfig:
    """Read the settings; what goes on from a weights file has that file's generator unless another is said."""
    from trainer.flags import config_from
    from weights import read_metadata

    if parsed.start is None:
        return config_from(parsed)
    start = read_metadata(parsed.start)
    return config_from(parsed, {"architecture": start.architecture, "generator": start.config})


def _train(parsed: argparse.Namespace) -> int:
    from trainer.distributed import joined
    from trainer.patches import PatchSet
    from trainer.training import train

    config = _training_config(parsed)
    with joined(_device(parsed.device)) as (world, device):
        phases = ("pixel", "adversarial") if parsed.phase == "both" else (parsed.phase,)
        train(PatchSet.load(parsed.patches), config, parsed.run_dir, device, phases, parsed.start, parsed.words, world)
        if world.leads:
            _say(f"{' and '.join(phases)} phase finished: {parsed.run_dir}")
    return 0


def _run(parsed: argparse.Namespace) -> int:
    from trainer.running import Job, run

    job = Job.of(parsed.photos, parsed.name, parsed.run_dir, parsed.weights_dir)
    run(
        job,
        _slicing_config(parsed),
        _training_config(parsed),
        _device(parsed.device),
        start=parsed.start,
        processes=parsed.processes,
        split_seed=parsed.split_seed,
        validation_share=parsed.validation_share,
        words=parsed.words,
        say=_say,
    )
    return 0


def _measures(parsed: argparse.Namespace, device: torch.device) -> Measures:
    from trainer.measuring.measures import Measures

    measures = Measures.of(parsed.niqe_model, parsed.feature_network, parsed.feature_weights, device)
    return dataclasses.replace(measures, texture=parsed.texture, jpeg_qualities=tuple(parsed.jpeg))


def _evaluate(parsed: argparse.Namespace) -> int:
    from trainer.measuring.evaluation import enlarger_of, evaluate
    from trainer.measuring.table import table
    from weights import load_generator

    device = _device(parsed.device)
    generators = {path.stem: load_generator(path) for path in parsed.weights}
    enlargers = {name: enlarger_of(loaded.generator.to(device)) for name, loaded in generators.items()}
    rows = evaluate(enlargers, parsed.images, _measures(parsed, device))
    if parsed.speed:
        from trainer.measuring.speed import with_speed

        rows = with_speed(rows, generators, parsed.images)
    _say(json.dumps([row.figures() for row in rows], indent=1) if parsed.json else table(rows))
    return 0 if all(row.psnr >= rows[0].psnr for row in rows) else 1


def _export(parsed: argparse.Namespace) -> int:
    from trainer.errors import ConfigError
    from trainer.exporting.card import Description
    from trainer.exporting.export import export_run
    from trainer.exporting.figures import Measuring
    from trainer.exporting.mixing import Toward
    from trainer.exporting.renewing import renew
    from weights import load_generator

    from_file = parsed.source.suffix == ".safetensors"
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
    words = Description(
        title=parsed.title or ("" if from_file else parsed.to.stem),
        licence=parsed.licence or ("" if from_file else "CC-BY-SA-4.0"),
        text=parsed.description,
        hardware=parsed.hardware,
        history=parsed.history,
        weaknesses=parsed.weaknesses,
        pictures=tuple(parsed.picture),
    )
    measuring = Measuring(
        dict(parsed.benchmark),
        _measures(parsed, _device("cpu")),
        {path.stem: load_generator(path).generator for path in parsed.beside},
    )
    toward = Toward(*parsed.toward) if parsed.toward else None
    if from_file:
        metadata = renew(parsed.source, parsed.to, words, measuring, parsed.sources, parsed.layers, toward)
    else:
        phase = parsed.phase or "pixel"
        metadata = export_run(
            parsed.source, parsed.to, words, measuring, parsed.sources, phase, best=parsed.best, toward=toward
        )
    _say(f"{parsed.to}: {json.dumps(metadata.metrics)}")
    if parsed.onnx:
        from trainer.exporting.onnx import export_onnx

        _say(f"{export_onnx(parsed.to)}: checked in onnxruntime")
    return 0


def _demo(parsed: argparse.Namespace) -> int:
    from trainer.measuring.demo import write_strips
    from trainer.measuring.evaluation import enlarger_of
    from weights import load_generator

    device = _device(parsed.device)
    enlargers = {path.stem: enlarger_of(load_generator(path).generator.to(device)) for path in parsed.weights}
    for file in write_strips(enlargers, parsed.images, parsed.out, parsed.side):
        _say(str(file))
    return 0
