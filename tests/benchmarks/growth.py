"""Time per megapixel and memory of the server as pictures grow.

    python -m tests.benchmarks.growth [--megapixels 1 4 16 64 100] [--engine openvino] [--weights FOLDER]

A small generator makes the large pictures bearable: what grows with the picture is what surrounds the network. The
small picture is sent again between the others, so that a machine whose speed drifts does not look like growth.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import torch

import weights
from server import client
from server.cli.bench_server import Passage, Served, pass_through, photo_like, served

REFERENCE = 4.0  # megapixels


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 4, 16, 64, 100])
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--weights", type=Path, help="a folder with compact-faithful; default: a tiny compact")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.weights or tiny(Path(name))
        model = "compact" if arguments.weights else "tiny"
        with served(["--engine", arguments.engine, "--weights", str(folder)]) as server:
            for _ in range(3):
                send(server, REFERENCE, model)
                server.wait_for_engines()
            for megapixels in arguments.megapixels:
                before = send(server, REFERENCE, model)
                passage = send(server, megapixels, model)
                after = send(server, REFERENCE, model)
                reference = statistics.mean(per_megapixel(each) for each in (before, after))
                print(
                    f"{megapixels:6.0f} MP: {passage.seconds:7.2f} s, {per_megapixel(passage):.3f} s/MP, "
                    f"{per_megapixel(passage) / reference:.2f} of that at {REFERENCE:.0f} MP beside it "
                    f"({per_megapixel(before):.3f} before, {per_megapixel(after):.3f} after), "
                    f"cpu {(passage.cpu or 0) / passage.pixels * 1e6:.3f} s/MP, "
                    f"resident {passage.resident / 2**20:.0f} MiB",
                    flush=True,
                )


def tiny(folder: Path) -> Path:
    """Save a compact of 8 features and one layer."""
    torch.manual_seed(0)
    generator = weights.build_generator("compact", {"features": 8, "layers": 1})
    told = weights.WeightsMetadata("compact", {}, weights.SCALE, halo=generator.receptive_radius, title="tiny")
    weights.save_generator(generator, told, folder / "tiny.safetensors")
    return folder


def send(server: Served, megapixels: float, model: str) -> Passage:
    """Send one picture of 4 : 3."""
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    size = client.Size(width, width * 3 // 4)
    return pass_through(server, photo_like(size.width, size.height), size, model)


def per_megapixel(passage: Passage) -> float:
    """Seconds for each 10⁶ pixels of the input."""
    return passage.seconds / passage.pixels * 1e6


if __name__ == "__main__":
    main()
