"""Makes the pictures of docs/images from the tests' screenshots: `python -m tests.gimp.pictures`."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

SCREENSHOTS = Path(__file__).parents[1] / "screenshots"
IMAGES = Path(__file__).parents[2] / "docs" / "images"
PICTURES = {
    "menu": "menu",
    "dialog": "dialog-dark-1-100",
    "dialog-light": "dialog-light-1-300",
    "result": "photo-result",
}  # picture → screenshot
WIDEST = 860  # pixels
LARGEST = 300_000  # bytes


def make(picture: str, screenshot: str) -> Path:
    """Cut the black desktop off, reduce, and save: in true colour where that is small enough, else with a palette."""
    with Image.open(SCREENSHOTS / f"gimp-{screenshot}.png") as stored:
        shown = stored.convert("RGB").crop(stored.convert("RGB").getbbox())
    if shown.width > WIDEST:
        shown = shown.resize((WIDEST, round(shown.height * WIDEST / shown.width)), Image.Resampling.LANCZOS)
    path = IMAGES / f"gimp-{picture}.png"
    path.parent.mkdir(exist_ok=True)
    shown.save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        shown.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=4).save(path, optimize=True)
    return path


if __name__ == "__main__":
    for name, source in PICTURES.items():
        made = make(name, source)
        print(made, made.stat().st_size)
