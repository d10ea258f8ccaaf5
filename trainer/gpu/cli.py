"""The command line: `python -m trainer.gpu COMMAND`. Nothing is computed here."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.errors import TrainerError
from trainer.gpu.parser import build_parser

if TYPE_CHECKING:
    import torch

MIB = 1 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command.

    Args:
        arguments: The words after the program's name; None takes the process's own.

    Returns:
        The exit code: 0, or 1 after an error that the user can mend.
    """
    from weights.errors import WeightsError

    parsed = build_parser().parse_args(arguments)
    parsed.started = time.monotonic()
    parsed.words = shlex.join(["python", "-m", "trainer.gpu", *(sys.argv[1:] if arguments is None else arguments)])
    try:
        _COMMANDS[parsed.command](parsed)
    except (TrainerError, WeightsError, OSError) as error:
        print(f"trainer.gpu: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201


def _split(parsed: argparse.Namespace) -> None:
    from trainer.gpu.travel import split_folder

    for folder in split_folder(parsed.source, parsed.to, int(parsed.part_mib * MIB)):
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        _say(f"{folder}  {size / MIB:.1f} MiB")


def _unpack(parsed: argparse.Namespace) -> None:
    from trainer.gpu.running import PHOTOS
    from trainer.gpu.travel import missing_files, unpack

    folder = parsed.run / PHOTOS
    for part in parsed.parts:
        unpack(part, folder)
    absent = missing_files(folder)
    _say(f"{folder}: {f'{len(absent)} photos are still to come' if absent else 'all photos are there'}")


def _join(parsed: argparse.Namespace) -> None:
    from trainer.gpu.travel import join_file

    for listing in parsed.listings:
        _say(str(join_file(listing, parsed.to)))


def _take_up(parsed: argparse.Namespace) -> None:
    from trainer.gpu.running import take_up

    _say(f"{take_up(parsed.packed, parsed.run)} goes on from {parsed.packed.name}")


def _try(parsed: argparse.Namespace) -> None:
    from trainer.flags import config_from
    from trainer.gpu.trial import Trial

    config = config_from(parsed)
    for each in (config, config.for_adversarial_phase()):
        trial = Trial(parsed.run, each, _settled(parsed))
        try:
            _say(f"{trial.key}: torch.compile {'pays' if trial.pays(parsed.compile_limit) else 'does not pay'}")
        finally:
            trial.close()


def _trial(parsed: argparse.Namespace) -> None:
    from trainer.gpu.trial import try_out

    _settled(parsed, same_sizes=True)
    found = try_out(parsed.request)
    _say(f"eager {found['eager']} patches/s, compiled {found['compiled']} after {found['compiled_seconds']} s")


def _train(parsed: argparse.Namespace) -> None:
    from trainer.flags import config_from
    from trainer.gpu.running import Call, train

    config = config_from(parsed)
    call = Call(
        phase={"faithful": "pixel", "adversarial": "adversarial"}[parsed.command],
        run=parsed.run, device=_settled(parsed, same_sizes=True), minutes=parsed.minutes,
        schedule_minutes=parsed.schedule_minutes,
        ends_here=parsed.ends_here, compile_limit=0.0 if parsed.compile is not None else parsed.compile_limit,
        validate_every=parsed.validate_seconds, checkpoint_every=parsed.checkpoint_seconds, start=parsed.start,
        words=parsed.words, commit=parsed.commit or _commit(),
    )  # fmt: skip
    train(call, config, _say)
    if parsed.out is not None:
        _carry(parsed, call.phase)


def _pack(parsed: argparse.Namespace) -> None:
    _carry(parsed, parsed.phase)


def _carry(parsed: argparse.Namespace, phase: str) -> None:
    from trainer.gpu.running import carry_home

    size = int(parsed.part_mib * MIB)
    for path in carry_home(parsed.run, phase, parsed.keep, parsed.out, size, parsed.first_part, parsed.parts):
        _say(f"{path}  {path.stat().st_size / MIB:.2f} MiB")


def _ship(parsed: argparse.Namespace) -> None:
    import shutil

    import torch

    from trainer.exporting.card import Description
    from trainer.exporting.export import export_run
    from trainer.exporting.figures import Measuring
    from trainer.gpu.travel import split_file

    device = _settled(parsed)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    sets = {folder.name: folder for folder in sorted(parsed.benchmarks.iterdir()) if folder.is_dir()}
    words = Description(
        title=parsed.title or parsed.to.stem, licence=parsed.licence, text=parsed.description, hardware=name,
        history=parsed.history,
    )  # fmt: skip
    metadata = export_run(
        parsed.run, parsed.to, words, Measuring(sets), parsed.sources, parsed.phase, best=parsed.best, device=device,
        dtype=torch.float16,
    )  # fmt: skip
    _say(f"{parsed.to}: {metadata.metrics}")
    if parsed.out is not None:
        split_file(parsed.to, parsed.out, int(parsed.part_mib * MIB))
        shutil.copy(parsed.to.with_suffix(".md"), parsed.out)


def _measure(parsed: argparse.Namespace) -> None:
    import shutil

    from trainer.gpu.measuring import RECORD, Wanted, measure_all

    width, _, height = parsed.layer.partition("x")
    wanted = Wanted(
        run=parsed.run, device=_settled(parsed), weights=parsed.weights, benchmarks=parsed.benchmarks,
        evaluate_flags=shlex.split(parsed.evaluate_flags), layer=(int(width), int(height)),
        matrix_side=parsed.matrix_side, deadline=parsed.started + 60 * parsed.minutes,
    )  # fmt: skip
    measure_all(wanted, _say)
    if parsed.out is not None:
        parsed.out.mkdir(parents=True, exist_ok=True)
        shutil.copy(parsed.run / RECORD, parsed.out)


def _settled(parsed: argparse.Namespace, *, same_sizes: bool = False) -> torch.device:
    """Choose the device, and keep float32 exact there: what needs speed is computed in bfloat16 anyway.

    Args:
        parsed: May name a device.
        same_sizes: Whether batches are alike throughout, so that trying convolutions out pays.

    Returns:
        The device.
    """
    import torch

    from trainer.arguments import device_of

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = same_sizes
    return device_of(getattr(parsed, "device", "auto"))


def _commit() -> str:
    from trainer.exporting.provenance import commit

    return commit()


_COMMANDS = {
    "split": _split,
    "unpack": _unpack,
    "join": _join,
    "take-up": _take_up,
    "try": _try,
    "trial": _trial,
    "faithful": _train,
    "adversarial": _train,
    "pack": _pack,
    "ship": _ship,
    "measure": _measure,
}
