"""How much the loop loses to reading and degrading patches: real batches against synthetic ones.

    python -m tests.benchmarks.trainer_throughput PATCHES [--preset P] [--degradation photo] [--steps N] [--device D]
    python -m tests.benchmarks.trainer_throughput PATCHES --loader [--degradation photo] [--steps N]
    python -m tests.benchmarks.trainer_throughput PATCHES --convolutions torch winograd [--layers N] [--steps N]

Both kinds of batches take turns in blocks, so that whatever else the machine does meets both; medians are compared.
With more than one name after `--convolutions`, these take turns instead, on synthetic batches. For a busy machine:
`--workers 0` loads in the training process and compares processor time as well; `--loader` says what a batch costs its
loader in processor time, with and without the file of decoded patches.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat
from pathlib import Path

import torch

from trainer.config import TrainingConfig, config_of
from trainer.data.batches import Batch, PatchBatches, RawBatch, batches, on_device
from trainer.data.decoded_patches import make_decoded
from trainer.data.patch_set import PatchSet
from trainer.presets import PRESETS
from trainer.training.pixel_step import PixelPhase

BLOCK = 5


def _config(parsed: argparse.Namespace) -> TrainingConfig:
    values = PRESETS[parsed.preset] | {"degradation": parsed.degradation, "pixel_steps": 10_000_000}
    values |= {"convolutions": parsed.convolutions[0], "precision": parsed.precision}
    if parsed.layers:
        values["generator"] = values.get("generator", {}) | {"layers": parsed.layers}
    return config_of(values | ({"loader_workers": parsed.workers} if parsed.workers is not None else {}))


def _synthetic(batch: Batch | RawBatch, size: int) -> Batch:
    """Noise of the same shape, made once."""
    count = len(batch.high_res if isinstance(batch, RawBatch) else batch[0])
    shapes = ((count, 3, size, size), (count, 3, 2 * size, 2 * size))
    low_res, high_res = (torch.randint(256, shape, dtype=torch.uint8) for shape in shapes)
    return low_res, high_res


def _timed(phase: PixelPhase, source: Iterator[Batch | RawBatch]) -> tuple[float, float]:
    """Seconds per step over one block, what is waited for included; and processor seconds of this process."""
    started, spent = time.perf_counter(), time.process_time()
    for _ in range(BLOCK):
        phase.set_learning_rates()
        phase.train_step(on_device(next(source), phase.device))
        phase.update_average()
        phase.step += 1
    if phase.device.type == "cuda":
        torch.cuda.synchronize(phase.device)
    return (time.perf_counter() - started) / BLOCK, (time.process_time() - spent) / BLOCK


def compare(parsed: argparse.Namespace) -> None:
    """Train on real and on synthetic batches in turns."""
    config = _config(parsed)
    phase = PixelPhase(config, torch.device(parsed.device))
    patch_set = PatchSet.load(parsed.patches)
    real = batches(patch_set.train, config, 0, decoded=make_decoded(patch_set, print, config.decoded_limit << 30))
    made = _synthetic(next(real), config.patch_size[0])

    for source in (real, repeat(made)):
        _timed(phase, source)  # to warm up
    blocks = max(1, parsed.steps // BLOCK)
    pairs = [(_timed(phase, real), _timed(phase, repeat(made))) for _ in range(blocks)]
    for number, what in enumerate(("seconds", "processor seconds")):
        with_data, without = (statistics.median(side[number] for side in sides) for sides in zip(*pairs, strict=True))
        told = f"{without / with_data:.1%}" if number == 0 or not config.loader_workers else "the loader's not included"
        print(f"{what} per step: {with_data:.3f} with real data, {without:.3f} synthetic: {told}")


def compare_convolutions(parsed: argparse.Namespace) -> None:
    """Train on synthetic batches in turns, by each way to convolve."""
    config, phases = _config(parsed), {}
    made = _synthetic(PatchBatches(PatchSet.load(parsed.patches).train, config)[0], config.patch_size[0])
    for name in parsed.convolutions:
        phases[name] = PixelPhase(replace(config, convolutions=name), torch.device(parsed.device))
        _timed(phases[name], repeat(made))  # to warm up
    blocks = range(max(1, parsed.steps // BLOCK))
    seconds = [[_timed(phase, repeat(made))[0] for phase in phases.values()] for _ in blocks]
    for (name, phase), each in zip(phases.items(), zip(*seconds, strict=True), strict=True):
        dtype = "float32" if phase.convolutions.passes else str(phase.dtype).removeprefix("torch.")
        print(f"{name}, {dtype}: {statistics.median(each):.3f} s per step, shortest {min(each):.3f}")


def loader_cost(parsed: argparse.Namespace) -> None:
    """Print what a batch costs its loader."""
    patch_set = PatchSet.load(parsed.patches)
    for name, decoded in (
        ("PNG", None),
        ("decoded", make_decoded(patch_set, print, _config(parsed).decoded_limit << 30)),
    ):
        reader = PatchBatches(patch_set.train, _config(parsed), decoded=decoded)
        reader[0]
        started = time.process_time()
        for step in range(1, 1 + parsed.steps):
            reader[step]
        print(f"{name}: {(time.process_time() - started) / parsed.steps * 1e3:.1f} ms of processor time per batch")


def main() -> None:
    """Read the words and measure."""
    parser = argparse.ArgumentParser(description="How fast the trainer's loop is.")
    parser.add_argument("patches", type=Path)
    parser.add_argument("--preset", choices=sorted(PRESETS), default="compact-cpu")
    parser.add_argument("--degradation", choices=("bicubic", "photo"), default="photo")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--loader", action="store_true")
    parser.add_argument("--convolutions", nargs="+", choices=("auto", "torch", "winograd"), default=["auto"])
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--layers", type=int, help="of the generator; default: the preset's")
    parsed = parser.parse_args()
    if parsed.loader:
        loader_cost(parsed)
    elif len(parsed.convolutions) > 1:
        compare_convolutions(parsed)
    else:
        compare(parsed)


if __name__ == "__main__":
    main()
