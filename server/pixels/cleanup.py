"""The automatic value of `cleanup`: how much of compression and noise a picture's own pixels show. numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.client.geometry import Region
from server.client.protocol import PixelFormat, Size
from server.client.sampling import sampled_regions
from server.pixels import transfer
from server.pixels.compression import measure_compression
from server.pixels.layouts import ALPHA, WHITE
from server.pixels.noise import measure_noise
from server.pixels.prepare import ReadRows

RED, GREEN, BLUE = 0.299, 0.587, 0.114  # shares of luma, as JPEG has them
LUMA = {
    "GRAY": [1.0],
    "GRAYA": [1.0, 0.0],
    "RGB": [RED, GREEN, BLUE],
    "RGBA": [RED, GREEN, BLUE, 0.0],
    "BGRA": [BLUE, GREEN, RED, 0.0],
}
VALUES = (0.0, 0.25, 0.5, 0.75, 1.0)
# The least measure for each value but the first. Whoever trains new weights measures these anew:
# python -m tests.benchmarks.cleanup PHOTOS
QUANTISATION = (13.0, 15.0, 17.0, 36.0)  # per cent of quality 50's steps: quality 93, 92, 91 and 82
BLOCKING = (1.6, 1.8, 2.1, 3.0)  # times the spectrum's usual height
NOISE = (2.0, 2.3, 2.6, 3.6)  # standard deviation, of 255


def estimate_cleanup(read_rows: ReadRows, size: Size, pixel_format: PixelFormat) -> float:
    """Choose `cleanup` for a picture, from a few squares of it.

    Args:
        read_rows: the picture's rows as samples.
        size: the picture's width and height.
        pixel_format: of the samples.

    Returns:
        One of VALUES.
    """
    regions = sampled_regions(size)
    pieces = []
    rows: tuple[int, int] = (0, 0)
    for region in regions:
        if rows != (region.y, region.bottom):
            rows = (region.y, region.bottom)
            samples = read_rows(*rows)
        pieces.append(samples[:, region.x : region.right])
    return judge_pieces(np.stack(pieces), regions, pixel_format)


def judge_pieces(pieces: NDArray[np.generic], regions: list[Region], pixel_format: PixelFormat) -> float:
    """Choose `cleanup` from samples of the sampled regions.

    Args:
        pieces: (N, H, W, S), samples of each region.
        regions: where they lie, all of one size.
        pixel_format: of the samples.

    Returns:
        One of VALUES; 0 where every region holds something transparent.
    """
    values = pieces.astype(np.float32)
    if not np.isfinite(values).all():
        values = np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0)
    alpha = ALPHA.get(pixel_format.layout)
    if alpha is not None:
        opaque = [bool((piece[..., alpha] > 0).all()) for piece in values]
        values, regions = values[opaque], [region for region, kept in zip(regions, opaque, strict=True) if kept]
    return judge(_luma(values, pixel_format), regions) if regions else VALUES[0]


def judge(luma: NDArray[np.float32], regions: list[Region]) -> float:
    """Choose `cleanup` from brightness, (N, H, W), 0…255, of each region."""
    compression = measure_compression(luma, [(region.x, region.y) for region in regions])
    return max(
        _value(compression.quantisation, QUANTISATION),
        _value(compression.blocking, BLOCKING),
        _value(measure_noise(luma), NOISE),
    )


def _luma(values: NDArray[np.float32], pixel_format: PixelFormat) -> NDArray[np.float32]:
    white = np.float32(WHITE.get(pixel_format.depth, 1))
    if pixel_format.transfer == "linear":
        values = transfer.to_perceptual(values / white) * white
    luma = values @ (np.array(LUMA[pixel_format.layout], np.float32) * (np.float32(255) / white))
    return np.clip(luma, 0, 255, out=luma)


def _value(measure: float, least: tuple[float, ...]) -> float:
    return VALUES[sum(measure >= each for each in least)]
