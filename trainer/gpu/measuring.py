"""The figures for docs/: one after the other until the time is up, kept as they come; what is there is not repeated."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from trainer.checkpoint import load_checkpoint
from trainer.config import config_of
from trainer.errors import CheckpointError, EvaluationError
from trainer.gpu.serving import large_layer, measure_serving
from trainer.gpu.trial import patches_per_second, read_trials, use_cache
from trainer.measuring.evaluation import picture_files
from trainer.pixel import PixelPhase
from trainer.replacing import replacing
from weights import build_generator, enlarge, read_metadata

RECORD = "measures.json"
Figures = dict[str, Any]
Report = Callable[[str], None]
_BACKWARD = 3  # a training step computes about three times what a forward pass does
_FLOP_SIDE = 64


@dataclass(frozen=True)
class Wanted:
    """What is measured.

    Attributes:
        run: The run folder.
        device: Where.
        weights: Weights files; the first one of each pair is served.
        benchmarks: Folder with a sub-folder for each set.
        evaluate_flags: More words for `python -m trainer evaluate`.
        layer: Width and height of the layer that is served, pixels.
        matrix_side: Of the matrices that the device's rate is measured with.
        deadline: When to begin nothing more, seconds on `time.monotonic`.
    """

    run: Path
    device: torch.device
    weights: Sequence[Path]
    benchmarks: Path
    evaluate_flags: Sequence[str]
    layer: tuple[int, int]
    matrix_side: int
    deadline: float


def measure_all(wanted: Wanted, report: Report) -> Figures:
    """Measure what has not been measured yet.

    Args:
        wanted: What, and until when.
        report: Takes sentences for the user.

    Returns:
        All figures so far, as they stand in `measures.json`. What failed says why, and is tried again next time.
    """
    found = read_measures(wanted.run)
    for name, measure in _measurements(wanted).items():
        if name in found and "failed" not in found[name]:
            continue
        if time.monotonic() > wanted.deadline:
            report(f"no time left for {name}; the same command goes on there")
            continue
        started = time.monotonic()
        try:
            found[name] = measure()
        except Exception as error:  # noqa: BLE001  # one figure that fails must not cost the others their time
            found[name] = {"failed": f"{type(error).__name__}: {str(error)[:500]}"}
        _keep(wanted.run, found)
        report(f"{name} ({time.monotonic() - started:.0f} s): {json.dumps(found[name])[:600]}")
    return found


def read_measures(run: Path) -> Figures:
    """Read the figures of a run folder."""
    try:
        found: Figures = json.loads((run / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def matrix_rate(device: torch.device, side: int) -> float:
    """Measure the product of two square bfloat16 matrices of random numbers: operations per second, median of ten."""
    one, other = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(13):
        _wait(device)
        started = time.perf_counter()
        one @ other
        _wait(device)
        seconds.append(time.perf_counter() - started)
    return 2 * side**3 / statistics.median(seconds[3:])


def operations_per_pixel(architecture: str, generator: dict[str, int]) -> float:
    """Count a generator's floating-point operations per low-resolution pixel, forward; a product with sum is two."""
    with torch.device("meta"):
        network = build_generator(architecture, dict(generator)).requires_grad_(False)
        low_res = torch.empty(1, 3, _FLOP_SIDE, _FLOP_SIDE)
    with FlopCounterMode(display=False) as counter:
        enlarge(network, low_res)
    return float(counter.get_total_flops() / _FLOP_SIDE**2)


def _measurements(wanted: Wanted) -> dict[str, Callable[[], Figures]]:
    listed: dict[str, Callable[[], Figures]] = {"machine": lambda: _machine(wanted)}
    served = [path for path in wanted.weights if not path.stem.endswith("-detailed")]
    for path in served:
        listed[f"serving {path.stem}"] = lambda path=path: _serving(wanted, path)  # type: ignore[misc]
    listed["training"] = lambda: _training(wanted)
    for folder in _sets(wanted) if wanted.weights else []:
        listed[f"quality {folder.name}"] = lambda folder=folder: _quality(wanted, folder)  # type: ignore[misc]
    return listed


def _machine(wanted: Wanted) -> Figures:
    name = torch.cuda.get_device_name(wanted.device) if wanted.device.type == "cuda" else wanted.device.type
    rate = matrix_rate(wanted.device, wanted.matrix_side)
    return {"device": name, "torch": torch.__version__, "matrix_teraflops": float(f"{rate / 1e12:.4g}")}


def _training(wanted: Wanted) -> Figures:
    state = load_checkpoint(wanted.run / "pixel.pt")
    if state is None:
        raise CheckpointError(f"{wanted.run} has no pixel.pt; expected a folder that was trained in; check --run.")
    config = config_of(state["config"])
    use_cache(wanted.run)
    cuda = wanted.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats(wanted.device)
    phase = PixelPhase(config, wanted.device)
    phase.steps = 1 << 30
    speed = patches_per_second(phase, 30 if cuda else 3)
    operations = _BACKWARD * operations_per_pixel(config.architecture, dict(config.generator)) * config.patch_size**2
    return {
        "patches_per_second": round(speed, 1),
        "patch": config.patch_size,
        "batch": config.batch_size,
        "compiled": config.compile,
        "teraflop_per_patch": float(f"{operations / 1e12:.4g}"),
        "share_of_matrix_rate": _share(wanted, speed * operations),
        "peak_bytes": torch.cuda.max_memory_allocated(wanted.device) if cuda else None,
        "trials": read_trials(wanted.run),
    }


def _serving(wanted: Wanted, path: Path) -> Figures:
    picture = picture_files(_sets(wanted)[0])[0]
    layer, check = large_layer(picture, *wanted.layer), large_layer(picture, *(side // 3 for side in wanted.layer))
    log = wanted.run / f"server-{path.stem}.log"
    figures = measure_serving(path, layer, check, wanted.device, 3, log)
    metadata = read_metadata(path)
    operations = operations_per_pixel(metadata.architecture, metadata.config)
    return figures | {
        "share_of_matrix_rate": _share(wanted, figures["megapixels_per_second"] * 1e6 * operations),
        "halo": metadata.halo,
        "halo_error": metadata.metrics.get("halo_error"),
    }


def _quality(wanted: Wanted, folder: Path) -> Figures:
    words = [*map(str, wanted.weights), "--images", str(folder), "--json", "--device", wanted.device.type]
    command = [sys.executable, "-m", "trainer", "evaluate", *words, *wanted.evaluate_flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    try:
        return {row.pop("name"): row for row in json.loads(done.stdout)}
    except ValueError:
        return {"failed": f"evaluate ended with {done.returncode}: {done.stderr[-400:]}"}


def _sets(wanted: Wanted) -> list[Path]:
    folders = [folder for folder in sorted(wanted.benchmarks.glob("*")) if folder.is_dir()]
    if not folders:
        raise EvaluationError(f"{wanted.benchmarks} holds no folder; expected one for each set; check --benchmarks.")
    return folders


def _share(wanted: Wanted, operations_per_second: float) -> float | None:
    """The share of the measured matrix rate; it counts what the convolutions need, not what the device computes."""
    machine = read_measures(wanted.run).get("machine", {})
    if "matrix_teraflops" not in machine:
        return None
    return float(f"{operations_per_second / 1e12 / float(machine['matrix_teraflops']):.4g}")


def _keep(run: Path, found: Figures) -> None:
    with replacing(run / RECORD) as sibling:
        sibling.write_text(json.dumps(found, indent=1), encoding="utf-8")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
