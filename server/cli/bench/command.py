"""`neural-upscale bench`: how fast this machine is, how fast each model is on it, and what the server adds.

Imports nothing heavy until it measures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

DEFAULT_TILES = (128, 256, 384)
DEFAULT_MEGAPIXELS = (2.0, 12.0, 50.0)
PATIENCE = 2.0  # seconds for each figure

Say = Callable[[str], None]


def main(words: Sequence[str]) -> int:
    """Measure and print; returns the exit code: 1 when there is nothing to measure or the server failed."""
    parser = _parser()
    arguments = parser.parse_args(list(words))
    if min([*arguments.tile, *arguments.megapixels], default=1) <= 0 or arguments.patience <= 0:
        parser.error("--tile, --megapixels and --patience need values above 0.")

    def say(line: str) -> None:
        print(line, file=sys.stderr if arguments.json else sys.stdout, flush=True)

    from server.client.protocol import ClientError
    from server.errors import ServerError

    try:
        figures: dict[str, Any] = {"machine": measure_machine(arguments, say)}
        figures["models"] = measure_models(arguments, figures["machine"], say)
        figures["server"] = [] if arguments.no_server else measure_server(arguments, figures["models"], say)
    except (ClientError, ServerError) as fault:
        print(f"neural-upscale bench: {fault}", file=sys.stderr)  # noqa: T201
        return 1
    if arguments.json:
        print(json.dumps(figures, indent=1))  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="neural-upscale bench", description="Measure this machine with the models.")
    add = parser.add_argument
    add("--json", action="store_true", help="figures as JSON on standard output, the talk on standard error")
    add("--model", action="append", default=[], metavar="NAME", help="only these; default: compact's, without a GPU")
    add("--weights", action="append", type=Path, default=[], metavar="DIR", help="further folder of weights files")
    add("--tile", type=int, nargs="+", default=list(DEFAULT_TILES), metavar="SIDE", help="pixels, context included")
    add("--megapixels", type=float, nargs="+", default=list(DEFAULT_MEGAPIXELS), metavar="MP", help="for the server")
    add("--device", default="auto", help="as for serve: one device (%(default)s)")
    add("--engine", default="auto", help="the server's; as for serve (%(default)s)")
    add("--patience", type=float, default=PATIENCE, help="seconds for each figure (%(default)g)")
    add("--no-server", action="store_true", help="leave out the pictures through the real server")
    return parser


def measure_machine(arguments: argparse.Namespace, say: Say) -> dict[str, Any]:
    """Measure the rates that any generator is bounded by, in 10⁹ operations per second."""
    import torch

    from server.cli.bench import rates
    from server.device.self_test import has_bfloat16_units
    from weights.winograd import processor

    device = _device(arguments)
    dtypes = [torch.float32]
    if device.type == "cuda" or has_bfloat16_units():
        dtypes.append(torch.bfloat16)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _first_words(processor())
    machine: dict[str, Any] = {"device": str(device), "name": name, "threads": torch.get_num_threads(), "rates": {}}
    say(f"{name}, {machine['threads']} threads, torch {torch.__version__}")
    for dtype in dtypes:
        measured = {
            "matrix": rates.matrix_rate(device, dtype, arguments.patience),
            "convolution": max(rates.convolution_rate(device, dtype, 256, arguments.patience) for _ in range(2)),
        }
        machine["rates"][_plain(dtype)] = {key: round(value, 1) for key, value in measured.items()}
        say(
            f"  {_plain(dtype):<9} matrix {measured['matrix']:9.0f} GFLOP/s, 3x3 {measured['convolution']:9.0f} GFLOP/s"
        )
    return machine


def measure_models(arguments: argparse.Namespace, machine: dict[str, Any], say: Say) -> list[dict[str, Any]]:
    """Measure each generator bare: megapixels per second by engine, precision, tile, and share of the machine."""
    from server.cli.bench import rates
    from server.device.allocator import keep_freed_memory
    from server.errors import CannotRun

    keep_freed_memory()  # as the server does
    import torch

    device = _device(arguments)
    found = []
    for name, generator in _generators(arguments, device.type):
        kinds = [("torch", dtype) for dtype in machine["rates"]]
        kinds += [("winograd", "float32")] if device.type == "cpu" else []
        kinds += [(each, "float32") for each in _vulkan_devices(arguments.device)]
        for engine, dtype in kinds:
            for tile in arguments.tile:
                try:
                    speed = rates.bare_speed(generator, engine, device, getattr(torch, dtype), tile, arguments.patience)
                except CannotRun as fault:
                    say(f"  {name}: {engine} left out: {fault}")
                    break
                share = speed.operations / max(machine["rates"][dtype].values())
                found.append(
                    {
                        "model": name, "engine": engine, "dtype": dtype, "tile": tile,
                        "megapixels_per_second": round(speed.megapixels, 4), "seconds": round(speed.seconds, 5),
                        "gigaflops": round(speed.operations, 1), "share": round(share, 3),
                    }
                )  # fmt: skip
                say(
                    f"  {name:<24} {engine:<8} {dtype:<9} tile {tile:4}: {speed.megapixels:8.3f} MP/s, "
                    f"{speed.operations:8.0f} GFLOP/s, {share:4.0%} of the measured rate"
                )
    return found


def measure_server(arguments: argparse.Namespace, models: list[dict[str, Any]], say: Say) -> list[dict[str, Any]]:
    """Send pictures through a real server of our own, one after another; compare it with the fastest bare figure."""
    from server import client
    from server.cli.bench.server import pass_through, photo_like, served

    options = ["--device", arguments.device, "--engine", arguments.engine]
    options += [word for folder in arguments.weights for word in ("--weights", str(folder))]
    model = arguments.model[0] if arguments.model else "auto"
    bare = max((each["megapixels_per_second"] for each in models), default=0.0)
    found = []
    with served(options) as server:
        say(f"  server: answers {server.started:.2f} s after its start")
        warm = client.Size(900, 600)
        pass_through(server, photo_like(warm.width, warm.height), warm, model)  # loads the generator
        for megapixels in arguments.megapixels:
            width = max(1, round((megapixels * 1e6 * 4 / 3) ** 0.5))
            size = client.Size(width, max(1, width * 3 // 4))
            passage = pass_through(server, photo_like(size.width, size.height), size, model)
            speed = passage.pixels / 1e6 / passage.seconds
            found.append(
                {
                    "model": model, "megapixels": round(passage.pixels / 1e6, 3), "seconds": round(passage.seconds, 3),
                    "first_bytes_seconds": round(passage.first, 3), "megapixels_per_second": round(speed, 4),
                    "times_bare": round(bare / speed, 3), "server_cpu_seconds": passage.cpu,
                    "resident_bytes": passage.resident,
                }
            )  # fmt: skip
            say(
                f"  server, {model}: {passage.pixels / 1e6:6.1f} MP in {passage.seconds:7.2f} s ({speed:.3f} MP/s, "
                f"{bare / speed:.2f} times the bare network, first bytes after {passage.first:.2f} s), "
                f"resident {passage.resident / 2**20:.0f} MiB"
            )
        engines = [device.get("engine", {}).get("running", {}) for device in server.status()["devices"]]
        say(f"  engines in use: {engines}")
    return found


def _generators(arguments: argparse.Namespace, kind: str) -> list[tuple[str, Any]]:
    from server.installed import shipped_weights
    from server.pipeline.model_store import ModelStore
    from server.settings import user_weights_folder

    store = ModelStore([shipped_weights(), user_weights_folder(), *arguments.weights], fast=kind != "cpu")
    names = arguments.model or [
        model["name"]
        for model in store.describe()["models"]
        if model["usable"] and model["detail"] is None and (kind != "cpu" or model["architecture"] == "compact")
    ]
    return [(name, store.generator(store.resolve(name))) for name in names or ["auto"]]


def _device(arguments: argparse.Namespace) -> Any:
    import torch

    if arguments.device.startswith("vulkan"):
        return torch.device("cpu")
    if arguments.device != "auto":
        return torch.device(arguments.device)
    if torch.cuda.is_available():
        return torch.device("cuda:0")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _vulkan_devices(wanted: str) -> list[str]:
    """Return the Vulkan devices to measure: the one asked for, or with `auto` each that is no software."""
    from server.device.vulkan.devices import vulkan_devices

    found = vulkan_devices()
    if wanted == "vulkan":
        return [each.device for each in found[:1]]
    return [each.device for each in found if each.device == wanted or (wanted == "auto" and each.is_real)]


def _plain(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _first_words(text: str) -> str:
    return text.partition("flags")[0].partition(":")[2].strip() or text[:60]
