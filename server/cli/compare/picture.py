"""Draws what `neural-upscale compare` writes. Pillow and numpy; knows no server."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from server.client import Region
from server.images.photo import Photo
from server.images.srgb import to_srgb
from server.pixels.transfer import to_perceptual

GAP, LABEL = 8, 26  # pixels between the parts, and for a line of text
GROUND, INK = (32, 34, 38), (235, 235, 235)
ZOOM = 3
BEHIND = 128  # grey that shows through transparent pixels


def corners(region: Region) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom, as Pillow wants them."""
    return region.x, region.y, region.right, region.bottom


def shown(photo: Photo) -> Image.Image:
    """Return a photo as a screen shows it: RGB, 8 bits, sRGB, transparent parts on grey.

    Args:
        photo: of any layout and depth.

    Returns:
        A picture of mode RGB and the same size.
    """
    samples = np.nan_to_num(photo.samples.astype(np.float32))
    if photo.samples.dtype.kind == "u":
        samples /= np.iinfo(photo.samples.dtype).max
    samples = samples.clip(0.0, 1.0)
    colours = samples.shape[2] - 1 + samples.shape[2] % 2  # 1 of 1 and 2, 3 of 3 and 4
    colour: NDArray[Any] = np.broadcast_to(samples[:, :, :colours], (*samples.shape[:2], 3))
    linear = photo.pixel_format.transfer == "linear"
    if linear:
        colour = to_perceptual(colour)
    if colours < samples.shape[2]:
        alpha = samples[:, :, colours:]
        colour = colour * alpha + (1 - alpha) * BEHIND / 255
    image = Image.fromarray((colour * 255 + 0.5).astype(np.uint8))
    if linear or photo.icc is None or colours == 1:
        return image
    return to_srgb(image, photo.icc) or image  # a profile that cannot be read is no reason not to show the picture


def busiest_part(photo: Image.Image, width: int, height: int) -> Region:
    """Find the part with most detail: where neighbouring pixels differ most in sum.

    Args:
        photo: the picture, at least as large as the part.
        width: of the part, pixels.
        height: of the part, pixels.

    Returns:
        The part; the first one from the top left where several are alike.
    """
    grey = np.asarray(photo.convert("L"), dtype=np.float64)
    detail = np.zeros_like(grey)
    detail[:, 1:] += np.abs(np.diff(grey, axis=1))
    detail[1:] += np.abs(np.diff(grey, axis=0))
    sums = np.pad(detail.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(np.argmax(inside)), inside.shape)
    return Region(int(left), int(top), width, height)


def strip(columns: list[tuple[str, Image.Image]]) -> Image.Image:
    """Draw the strip: a column for each way, at 100 % above, its middle at 300 % below, pixels as squares.

    Args:
        columns: label and picture, mode RGB, all of one size.

    Returns:
        The strip, mode RGB.
    """
    width, height = columns[0][1].size
    result = Image.new("RGB", (GAP + (width + GAP) * len(columns), 2 * (LABEL + height + GAP)), GROUND)
    for number, (label, picture) in enumerate(columns):
        left = GAP + number * (width + GAP)
        _write(result, label, left, 0)
        result.paste(picture, (left, LABEL))
        _write(result, f"{label}, {ZOOM}00 %", left, LABEL + height + GAP)
        result.paste(_enlarged_middle(picture), (left, 2 * LABEL + height + GAP))
    return result


def _enlarged_middle(picture: Image.Image) -> Image.Image:
    width, height = max(1, picture.width // ZOOM), max(1, picture.height // ZOOM)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    middle = picture.crop((left, top, left + width, top + height))
    return middle.resize(picture.size, Image.Resampling.NEAREST)


def animation(pictures: list[tuple[str, Image.Image]]) -> list[Image.Image]:
    """Return one frame for each picture, with its label above it.

    Args:
        pictures: label and picture, mode RGB, all of one size.

    Returns:
        The frames, mode RGB.
    """
    frames = []
    for label, picture in pictures:
        frame = Image.new("RGB", (picture.width, picture.height + LABEL), GROUND)
        frame.paste(picture, (0, LABEL))
        _write(frame, label, GAP, 0)
        frames.append(frame)
    return frames


def _write(image: Image.Image, text: str, left: int, top: int) -> None:
    ImageDraw.Draw(image).text((left, top + 4), text, INK, ImageFont.load_default(15))
