"""Ours beside bicubic at other factors than ×2, through client and server: the table in docs/quality.md.

    python -m tests.benchmarks.sizes [--factors 3 4] [--sets Set5 B100] [--weights FOLDER]

Each picture of ../shared/bench is cut to multiples of the factor, reduced by Pillow's BICUBIC, enlarged again, and
compared in Y-PSNR, as many pixels as the factor cut off at every side. Ours is the model `auto`.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from server import client
from server.cli.bench.server import RGB, served
from server.installed import shipped_weights
from tests.benchmarks.peers import SHARED
from trainer.metrics.pictures import picture_files
from trainer.metrics.psnr_ssim import luma_psnr

Pixels = NDArray[np.uint8]
WAYS = {"bicubic": None, "detail 0": client.Options(detail=0.0), "default": client.Options()}


def enlarged(runtime: client.Runtime, low_res: Image.Image, size: client.Size, options: client.Options) -> Pixels:
    """Enlarge a picture to a size."""
    before = client.Size(*low_res.size)
    asked = client.Options(options.model, options.detail, options.cleanup, size)
    answer = client.upscale(runtime, low_res.tobytes(), before, RGB, asked)
    return np.frombuffer(answer, np.uint8).reshape(size.height, size.width, 3)


def scores(runtime: client.Runtime, folder: Path, factor: int) -> dict[str, float]:
    """Return the mean Y-PSNR of each way, in dB."""
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for file in picture_files(folder):
        with Image.open(file) as opened:
            image = opened.convert("RGB")
        before = client.Size(image.width // factor, image.height // factor)
        size = before.enlarged(factor)
        image = image.crop((0, 0, size.width, size.height))
        low_res = image.resize((before.width, before.height), Image.Resampling.BICUBIC)
        for name, options in WAYS.items():
            if options is None:
                result = np.asarray(low_res.resize(image.size, Image.Resampling.BICUBIC))
            else:
                result = enlarged(runtime, low_res, size, options)
            found[name].append(luma_psnr(result, np.asarray(image), factor))
    return {name: statistics.mean(each) for name, each in found.items()}


def main() -> None:
    """Measure, and print a row for each factor and set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--factors", type=int, nargs="+", default=[3, 4])
    parser.add_argument("--sets", nargs="+", default=["Set5", "B100"], help="folders in ../shared/bench")
    parser.add_argument("--weights", type=Path, default=shipped_weights(), help="folder of weights files")
    given = parser.parse_args()
    with served(["--weights", str(given.weights)]) as server:
        for factor in given.factors:
            for name in given.sets:
                found = scores(server.runtime, SHARED / "bench" / name, factor)
                print(f"×{factor} {name:<6} " + "  ".join(f"{way} {value:.2f}" for way, value in found.items()))


if __name__ == "__main__":
    main()
