"""Draws what `neural-upscale compare` writes. Pillow and numpy; knows no server."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageDraw, ImageFont

from server.images.photo import Photo

GAP, LABEL = 8, 26  # pixels between the parts, and for a line of text
GROUND, INK = (32, 34, 38), (235, 235, 235)
ZOOM = 3
BEHIND = 128  # grey that shows through transparent pixels


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Give left, top, right, bottom, as Pillow wants them."""
        return self.left, self.top, self.left + self.width, self.top + self.height

    def grown(self, by: int, inside: Image.Image) -> Box:
        """Give the box with so many pixels more on each side, as far as the picture goes."""
        left, top = max(0, self.left - by), max(0, self.top - by)
        right = min(inside.width, self.left + self.width + by)
        return Box(left, top, right - left, min(inside.height, self.top + self.height + by) - top)

    def doubled(self) -> Box:
        """Give the same place in the ×2 picture."""
        return Box(2 * self.left, 2 * self.top, 2 * self.width, 2 * self.height)


def shown(photo: Photo) -> Image.Image:
    """Give a photo as a screen shows it: RGB, 8 bits, sRGB, transparent parts on grey.

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
        colour = np.where(colour <= 0.0031308, 12.92 * colour, 1.055 * colour ** (1 / 2.4) - 0.055)
    if colours < samples.shape[2]:
        alpha = samples[:, :, colours:]
        colour = colour * alpha + (1 - alpha) * BEHIND / 255
    image = Image.fromarray((colour * 255 + 0.5).astype(np.uint8))
    return image if linear or photo.icc is None or colours == 1 else _to_srgb(image, photo.icc)


def _to_srgb(image: Image.Image, icc: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError):
        return image  # a profile that cannot be read is no reason not to show the picture
    return image if converted is None else converted


def busiest_box(photo: Image.Image, width: int, height: int) -> Box:
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
    return Box(int(left), int(top), width, height)


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
    """Give one frame for each picture, with its label above it.

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
