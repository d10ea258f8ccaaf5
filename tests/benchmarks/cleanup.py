"""Which `cleanup` is best for each kind of picture, and what the automatic value costs against it.

    python -m tests.benchmarks.cleanup FOLDER [--weights FOLDER] [--model NAME] [--detail X] [--crop PIXELS]

Each photo is halved by Pillow's BICUBIC, spoilt as a kind says, and enlarged at each of the five values; the figures
are gains over bicubic in dB of luma, on a crop from the middle. The automatic value is estimated from the whole halved
picture. The last columns are what the thresholds in `server/pixels/cleanup.py` are chosen by.
"""

from __future__ import annotations

import argparse
import io
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from server.client.protocol import PixelFormat, Size
from server.installed import shipped_weights
from server.pipeline.model_store import ModelStore
from server.pixels.cleanup import VALUES, estimate_cleanup
from trainer.metrics.pictures import enlarger_of
from trainer.metrics.psnr_ssim import luma_psnr

Pixels = NDArray[np.uint8]
Spoil = Callable[[Pixels], Pixels]


def compressed(quality: int, *, shift: int = 3) -> Spoil:
    """Return what compresses as JPEG with colour at half size; the blocks begin `shift` pixels before the picture."""

    def spoil(pixels: Pixels) -> Pixels:
        file = io.BytesIO()
        framed = np.pad(pixels, ((shift, 0), (shift, 0), (0, 0)), mode="edge")
        Image.fromarray(framed).save(file, "JPEG", quality=quality, subsampling=2)
        return np.asarray(Image.open(file))[shift:, shift:]

    return spoil


def noisy(deviation: float) -> Spoil:
    """Return what adds noise, independent in each sample, of that standard deviation (of 255)."""

    def spoil(pixels: Pixels) -> Pixels:
        noise = np.random.default_rng(0).normal(0, deviation, pixels.shape)
        return np.rint(pixels + noise).clip(0, 255).astype(np.uint8)

    return spoil


KINDS: dict[str, tuple[Spoil, ...]] = {
    "clean": (),
    "JPEG 95": (compressed(95),),
    "JPEG 90": (compressed(90),),
    "JPEG 85": (compressed(85),),
    "JPEG 75": (compressed(75),),
    "JPEG 60": (compressed(60),),
    "JPEG 40": (compressed(40),),
    "JPEG 60, then 90": (compressed(60, shift=5), compressed(90)),
    "noise 2": (noisy(2),),
    "noise 3": (noisy(3),),
    "noise 6": (noisy(6),),
    "noise 10": (noisy(10),),
    "noise 3, JPEG 90": (noisy(3), compressed(90)),
    "noise 6, JPEG 90": (noisy(6), compressed(90)),
}


def gains(high_res: Pixels, low_res: Pixels, enlargers: list[Callable[[Pixels], Pixels]], crop: int) -> list[float]:
    """Return each enlarger's gain over bicubic in dB, on the middle `crop` pixels of the low resolution."""
    height, width = (min(side, crop) for side in low_res.shape[:2])
    top, left = (low_res.shape[0] - height) // 2, (low_res.shape[1] - width) // 2
    part = np.ascontiguousarray(low_res[top : top + height, left : left + width])
    reference = high_res[2 * top : 2 * (top + height), 2 * left : 2 * (left + width)]
    plain = np.asarray(Image.fromarray(part).resize((2 * width, 2 * height), Image.Resampling.BICUBIC))
    base = luma_psnr(plain, reference)
    return [luma_psnr(enlarge(part), reference) - base for enlarge in enlargers]


def main() -> None:
    """Measure, and print a table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of photos that nothing was trained on")
    parser.add_argument("--weights", type=Path, default=shipped_weights(), help="folder with the family's four files")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--detail", type=float)
    parser.add_argument("--crop", type=int, default=256, help="pixels of the low resolution (%(default)s)")
    given = parser.parse_args()
    store = ModelStore([given.weights])
    enlargers = [enlarger_of(store.generator(store.resolve(given.model, given.detail, value))) for value in VALUES]
    pairs = []
    for path in sorted(given.photos.iterdir()):
        image = Image.open(path).convert("RGB")
        image = image.crop((0, 0, image.width // 2 * 2, image.height // 2 * 2))
        low_res = image.resize((image.width // 2, image.height // 2), Image.Resampling.BICUBIC)
        pairs.append((np.asarray(image), np.asarray(low_res)))
    print(
        f"{'kind':<18}" + "".join(f"{value:>8g}" for value in VALUES) + "  automatic (share)".ljust(40) + "  cost in dB"
    )
    for kind, spoils in KINDS.items():
        rows, chosen = [], []
        for high_res, low_res in pairs:
            for spoil in spoils:
                low_res = spoil(low_res)
            size = Size(low_res.shape[1], low_res.shape[0])
            chosen.append(estimate_cleanup(lambda a, b, p=low_res: p[a:b], size, PixelFormat("RGB", "u8")))  # type: ignore[misc]
            rows.append(gains(high_res, low_res, enlargers, given.crop))
        means = [statistics.mean(column) for column in zip(*rows, strict=True)]
        own = statistics.mean(row[VALUES.index(value)] for row, value in zip(rows, chosen, strict=True))
        shares = " ".join(f"{value:g}: {chosen.count(value) / len(chosen):.0%}" for value in VALUES if value in chosen)
        print(f"{kind:<18}" + "".join(f"{mean:>+8.2f}" for mean in means) + f"  {shares:<38}  {max(means) - own:.2f}")


if __name__ == "__main__":
    main()
