"""Ours beside others' on one machine, in one run, on one photo with the same threads: speed, and Y-PSNR on B100.

    python -m tests.benchmarks.peers [--weights FOLDER] [--rounds 3] [--json FILE] [--plot FILE]

Needs `pip install neural-upscale[peers]` (OpenCV with dnn_superres, matplotlib) and ../shared. Every way takes and
gives RGB u8. Ours goes through client and server; the others are called in this process. Tiled the others' way, on the
same `compact` weights: Real-ESRGAN's loop (tiles of 256, 10 pixels around, one at a time, float32) and chaiNNer's
(tiles of 512 of one size, overlap 16). Speeds are medians of rounds in which all take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from server import client
from server.cli.bench.server import RGB, Served, served
from server.device.allocator import keep_freed_memory
from tests.benchmarks.peer_networks import load_peers
from trainer.data.slicing.photos import read_photo
from trainer.metrics.pictures import even_picture, picture_files, reduced
from trainer.metrics.psnr_ssim import luma_psnr
from weights import Generator, enlarge, load_generator

Pixels = NDArray[np.uint8]
Way = Callable[[Pixels], Pixels]
SHARED = Path(__file__).parents[3] / "shared"
PROJECT = Path(__file__).parents[2]
OPENCV = {"FSRCNN": "fsrcnn", "FSRCNN-small": "fsrcnn", "ESPCN": "espcn", "LapSRN": "lapsrn"}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=PROJECT / "weights", help="folder with compact-faithful")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=int, nargs=2, default=[640, 480], metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--engine", default="auto", help="the server's")
    parser.add_argument("--pictures", type=int, default=100, help="of B100")
    parser.add_argument("--psnr", type=Path, help="JSON file: the others' Y-PSNR is read from it, or measured and kept")
    parser.add_argument("--skip", nargs="*", default=[], metavar="NAME")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--plain-allocator", action="store_true", help="the others with the C library's own settings")
    arguments = parser.parse_args()
    if not arguments.plain_allocator:
        keep_freed_memory()  # as the server does: the others then have the same advantage
    generator = load_generator(arguments.weights / "compact-faithful.safetensors").generator
    with served(["--engine", arguments.engine, "--weights", str(arguments.weights)]) as server:
        ways = {"ours (server)": through(server)} | others(generator)
        ways = {name: way for name, way in ways.items() if name not in arguments.skip}
        photo = crop(*arguments.size)
        warm(ways, photo)
        speeds = speeds_of(ways, photo, arguments.rounds)
        quality = qualities(ways, arguments.pictures, arguments.psnr)
        running = [device["engine"]["running"] for device in server.status()["devices"]]
    for name in ways:  # however it is tiled, the network is the same
        quality.setdefault(name, quality["ours (server)"])
    rows = [
        {"name": name, "megapixels_per_second": round(speeds[name], 4), "psnr": round(quality[name], 3),
         "ours_is_times": round(speeds["ours (server)"] / speeds[name], 2)}
        for name in sorted(ways, key=lambda name: -speeds[name])
    ]  # fmt: skip
    print(f"{torch.get_num_threads()} threads, {arguments.size[0]}x{arguments.size[1]}, engines {running}")
    for row in rows:
        print(
            "{name:<28} {megapixels_per_second:8.3f} MP/s  {psnr:6.2f} dB  ours is {ours_is_times:.2f} x".format(**row)
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    if arguments.plot:
        plot(rows, arguments.plot)


def through(server: Served) -> Way:
    """Ours: client, server, client."""

    def way(photo: Pixels) -> Pixels:
        height, width = photo.shape[:2]
        answer = client.upscale(
            server.runtime, photo.tobytes(), client.Size(width, height), RGB, client.Options("compact")
        )
        return np.frombuffer(answer, np.uint8).reshape(2 * height, 2 * width, 3)

    return way


def others(generator: Generator) -> dict[str, Way]:
    """Everyone else's ways."""
    plain = eager_way(lambda low_res: enlarge(generator, low_res))
    ways = {
        "Real-ESRGAN loop": tiled(plain, tile=256, pad=10, same_size=False),
        "chaiNNer loop": tiled(plain, tile=512, pad=16, same_size=True),
    }
    ways |= {name: eager_way(network) for name, network in load_peers(SHARED / "peers").items()}
    return ways | {f"OpenCV {name}": opencv_way(name, kind) for name, kind in OPENCV.items()}


def to_floats(photo: Pixels) -> NDArray[np.float32]:
    """(H, W, 3) u8 → (1, 3, H, W) float32, 0…1."""
    return np.ascontiguousarray(photo.transpose(2, 0, 1)[None]).astype(np.float32) / np.float32(255)


def to_pixels(high_res: NDArray[np.float32]) -> Pixels:
    """(1, 3, H, W) float32 → (H, W, 3) u8."""
    rounded = np.rint(np.clip(high_res[0], 0, 1) * np.float32(255)).astype(np.uint8)
    return np.ascontiguousarray(rounded.transpose(1, 2, 0))


def eager_way(network: Callable[[torch.Tensor], torch.Tensor]) -> Way:
    """A torch network as its authors' scripts call it: eager, float32, plain memory layout, the whole picture."""

    def way(photo: Pixels) -> Pixels:
        with torch.inference_mode():
            return to_pixels(network(torch.from_numpy(to_floats(photo))).numpy())

    return way


def tiled(plain: Way, *, tile: int, pad: int, same_size: bool) -> Way:
    """Run tiles one at a time with `pad` pixels around; `same_size`: at the edges the context grows inwards instead."""

    def way(photo: Pixels) -> Pixels:
        height, width = photo.shape[:2]
        result = np.empty((2 * height, 2 * width, 3), np.uint8)
        for top in range(0, height, tile):
            for left in range(0, width, tile):
                bottom, right = min(top + tile, height), min(left + tile, width)
                if same_size:
                    first_row = max(0, min(top - pad, height - tile - 2 * pad))
                    first_column = max(0, min(left - pad, width - tile - 2 * pad))
                    last_row, last_column = first_row + tile + 2 * pad, first_column + tile + 2 * pad
                else:
                    first_row, first_column = max(0, top - pad), max(0, left - pad)
                    last_row, last_column = bottom + pad, right + pad
                enlarged = plain(photo[first_row:last_row, first_column:last_column])
                rows = slice(2 * (top - first_row), 2 * (bottom - first_row))
                columns = slice(2 * (left - first_column), 2 * (right - first_column))
                result[2 * top : 2 * bottom, 2 * left : 2 * right] = enlarged[rows, columns]
        return result

    return way


def opencv_way(name: str, kind: str) -> Way:
    """A network of OpenCV's dnn_superres."""
    import cv2

    network: Any = cv2.dnn_superres.DnnSuperResImpl_create()
    network.readModel(str(SHARED / "peers" / "opencv" / f"{name}_x2.pb"))
    network.setModel(kind, 2)
    cv2.setNumThreads(torch.get_num_threads())
    return lambda photo: np.ascontiguousarray(network.upsample(np.ascontiguousarray(photo[:, :, ::-1]))[:, :, ::-1])


def crop(width: int, height: int) -> Pixels:
    """The middle of the first photo that is large enough."""
    for file in sorted((SHARED / "photos").glob("*.jpg")):
        photo = read_photo(file).pixels
        if photo.dtype == np.uint8 and photo.shape[0] >= height and photo.shape[1] >= width:
            top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
            return np.ascontiguousarray(photo[top : top + height, left : left + width])
    raise SystemExit(f"No photo of {width}x{height} in {SHARED / 'photos'}; choose a smaller --size.")


def warm(ways: dict[str, Way], photo: Pixels) -> None:
    """Let everyone pay for what is only paid once."""
    for way in ways.values():
        way(photo)


def speeds_of(ways: dict[str, Way], photo: Pixels, rounds: int) -> dict[str, float]:
    """Median speeds, in megapixels of the input per second; all take turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            way(photo)
            taken[name].append(time.perf_counter() - begun)
    return {name: photo.shape[0] * photo.shape[1] / 1e6 / statistics.median(each) for name, each in taken.items()}


def psnr(way: Way, pictures: int) -> float:
    """Mean Y-PSNR on B100, reduced by Pillow's BICUBIC, two pixels cut off at every side."""
    found = []
    for file in picture_files(SHARED / "bench" / "B100")[:pictures]:
        high_res = even_picture(file)
        found.append(luma_psnr(way(reduced(high_res)), high_res))
    return float(np.mean(found))


def qualities(ways: dict[str, Way], pictures: int, path: Path | None) -> dict[str, float]:
    """Y-PSNR of every network; what does not change from run to run may be kept in a file."""
    known: dict[str, float] = json.loads(path.read_text(encoding="utf-8")) if path and path.exists() else {}
    found = {}
    for name, way in ways.items():
        if "loop" in name:
            continue
        found[name] = known.get(name) or psnr(way, pictures)
        if path and not name.startswith("ours"):
            known[name] = found[name]
            path.write_text(json.dumps(known, indent=1), encoding="utf-8")
    return found


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw quality over speed; up and to the right is better."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "peers"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5))
    before = (0.0, 0.0)
    for row in rows:
        ours = row["name"].startswith("ours")
        place = (row["megapixels_per_second"], row["psnr"])
        axes.plot(*place, "o", color="tab:red" if ours else "tab:blue")
        up = abs(place[1] - before[1]) > 0.1 or place[0] < 0.9 * before[0]  # else the one before has the room above
        axes.annotate(
            row["name"], place, (4, 5 if up else -5), textcoords="offset points", rotation=35 if up else -35,
            va="bottom" if up else "top",
        )  # fmt: skip
        before = place
    axes.margins(0.2, 0.2)
    axes.set(xscale="log", xlabel="megapixels of the input per second", ylabel="Y-PSNR on B100 ×2, dB")
    axes.grid(visible=True, alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
