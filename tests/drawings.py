"""Clean drawings of eight kinds, made of nothing but a seed: what must never be taken for noise or compression."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Pixels = NDArray[np.uint8]
SIDE = 320  # pixels
FINER = 4  # times as large as it is drawn at first, so that edges become smooth
WORDS = ("sphinx", "of", "black", "quartz", "judge", "my", "vow", "while", "jackdaws", "love", "a", "big", "lizard")


def illustration(seed: int) -> Pixels:
    """Draw overlapping smooth shapes over a gradient, softly shaded, as a painter's clean digital picture."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(_gradient(random, SIDE * FINER))
    draw = ImageDraw.Draw(image)
    for _ in range(int(random.integers(8, 30))):
        _shape(draw, random, SIDE * FINER)
    if seed % 2:
        image = image.filter(ImageFilter.GaussianBlur(float(random.uniform(1, 12))))
        for _ in range(6):
            _shape(ImageDraw.Draw(image), random, SIDE * FINER)
    return _reduced(image)


def line_art(seed: int) -> Pixels:
    """Draw black curves of changing width on white paper."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (SIDE * FINER,) * 2, "white")
    draw = ImageDraw.Draw(image)
    for _ in range(int(random.integers(10, 60))):
        points = np.cumsum(random.normal(0, 40 * FINER / 2, (24, 2)), axis=0) + random.uniform(0, SIDE * FINER, 2)
        steps = np.linspace(0, 23, 200)
        smooth = np.stack([np.interp(steps, np.arange(24), points[:, axis]) for axis in (0, 1)], axis=1)
        draw.line([tuple(point) for point in smooth], fill="black", width=int(random.integers(3, 16)), joint="curve")
    return _reduced(image)


def hatching(seed: int) -> Pixels:
    """Shade areas with parallel and crossed ink lines at several distances and angles."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : SIDE * FINER, 0 : SIDE * FINER].astype(np.float32) / FINER
    ink = np.zeros(rows.shape, bool)
    for _ in range(int(random.integers(2, 7))):
        angle, distance = random.uniform(0, np.pi), random.uniform(3, 12)
        across = rows * np.sin(angle) + columns * np.cos(angle) + random.normal(0, 2) * np.sin(columns / 40)
        middle, radius = random.uniform(0, SIDE, 2), random.uniform(SIDE / 5, SIDE)
        inside = np.hypot(rows - middle[0], columns - middle[1]) < radius
        ink |= inside & (across % distance < distance * random.uniform(0.15, 0.45))
    paper, pen = random.integers(200, 256, 3), random.integers(0, 90, 3)
    return _reduced(Image.fromarray(np.where(ink[..., None], pen, paper).astype(np.uint8)))


def screenshot(seed: int) -> Pixels:
    """Draw windows, buttons, icons and small text, without smoothing any edge but the letters'."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (SIDE, SIDE), tuple(random.integers(180, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(int(random.integers(4, 12))):
        left, top = (int(value) for value in random.integers(0, SIDE - 60, 2))
        right, bottom = left + int(random.integers(40, 200)), top + int(random.integers(20, 120))
        fill, border = (tuple(random.integers(0, 256, 3).tolist()) for _ in range(2))
        draw.rounded_rectangle((left, top, right, bottom), int(random.integers(0, 8)), fill, border)
        draw.text((left + 6, top + 4), _sentence(random, 4), fill=border, font=_font(int(random.integers(9, 15))))
    return np.asarray(image)


def text(seed: int) -> Pixels:
    """Set a page of small type."""
    random = np.random.default_rng(seed)
    dark = seed % 3 == 2
    image = Image.new("RGB", (SIDE, SIDE), "#1e1e1e" if dark else "white")
    draw = ImageDraw.Draw(image)
    size = int(random.integers(8, 24))
    for row in range(4, SIDE, int(size * 1.3)):
        draw.text((6, row), _sentence(random, 24), fill="#d4d4d4" if dark else "black", font=_font(size))
    return np.asarray(image)


def pixel_art(seed: int) -> Pixels:
    """Draw squares of few colours, each of 1 to 8 pixels a side."""
    random = np.random.default_rng(seed)
    side = (1, 2, 3, 4, 5, 6, 8, 8, 16, 2)[seed % 10]
    palette = random.integers(0, 256, (int(random.integers(4, 24)), 3))
    small = -(-SIDE // side)
    field = np.asarray(
        Image.fromarray(random.integers(0, 256, (small // 4 + 2,) * 2).astype(np.uint8)).resize((small, small))
    )
    cells = (field.astype(int) * len(palette) // 256 + (random.random(field.shape) < 0.08)) % len(palette)
    return palette[cells].astype(np.uint8).repeat(side, 0).repeat(side, 1)[:SIDE, :SIDE]


def halftone(seed: int) -> Pixels:
    """Print a soft picture with dots of changing size, in one ink or in four at their customary angles."""
    random = np.random.default_rng(seed)
    tone = _gradient(random, SIDE * FINER).astype(np.float32) / 255
    rows, columns = np.mgrid[0 : SIDE * FINER, 0 : SIDE * FINER].astype(np.float32) / FINER
    pitch = random.uniform(3, 9)
    angles = np.deg2rad((15, 75, 0)) if seed % 2 else np.deg2rad((45, 45, 45))
    inks = tone if seed % 2 else tone.mean(axis=2, keepdims=True).repeat(3, axis=2)
    printed = np.empty_like(tone)
    for channel, angle in enumerate(angles):
        u = (rows * np.sin(angle) + columns * np.cos(angle)) * 2 * np.pi / pitch
        v = (rows * np.cos(angle) - columns * np.sin(angle)) * 2 * np.pi / pitch
        printed[..., channel] = (np.cos(u) + np.cos(v)) / 4 + 0.5 < inks[..., channel]
    return _reduced(Image.fromarray((printed * 255).astype(np.uint8)))


def dither(seed: int) -> Pixels:
    """Show a soft picture with few levels: by an ordered pattern, by error diffusion, or at random places."""
    random = np.random.default_rng(seed)
    soft = _gradient(random, SIDE).astype(np.float32) / 255
    levels = (1, 2, 4, 7, 15, 31)[int(random.integers(6))]
    if seed % 3 == 0:
        image = Image.fromarray(_gradient(random, SIDE))
        palette = image.quantize((2, 8, 24, 64, 128, 250)[int(random.integers(6))])
        return np.asarray(image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB"))
    if seed % 3 == 1:
        threshold = np.tile(_ordered(1 + seed % 4), (SIDE, SIDE))[:SIDE, :SIDE, None]
    else:
        threshold = random.random((SIDE, SIDE, 1))
    return (np.floor(soft * levels + threshold).clip(0, levels) * (255 / levels)).astype(np.uint8)


KINDS: dict[str, Callable[[int], Pixels]] = {
    "illustration": illustration,
    "line art": line_art,
    "hatching": hatching,
    "screenshot": screenshot,
    "text": text,
    "pixel art": pixel_art,
    "halftone": halftone,
    "dither": dither,
}


def _ordered(order: int) -> NDArray[np.float64]:
    """Return Bayer's matrix of 2^order a side, thresholds in 0…1."""
    matrix = np.zeros((1, 1))
    for _ in range(order):
        matrix = np.block([[4 * matrix, 4 * matrix + 2], [4 * matrix + 3, 4 * matrix + 1]])
    return (matrix + 0.5) / matrix.size


def _gradient(random: np.random.Generator, side: int) -> Pixels:
    few = Image.fromarray(random.integers(0, 256, (int(random.integers(2, 6)),) * 2 + (3,)).astype(np.uint8))
    return np.asarray(few.resize((side, side), Image.Resampling.BICUBIC))


def _shape(draw: ImageDraw.ImageDraw, random: np.random.Generator, side: int) -> None:
    middle, reach = random.uniform(0, side, 2), random.uniform(side / 20, side / 4)
    corners = middle + reach * random.uniform(-1, 1, (int(random.integers(3, 8)), 2))
    fill = tuple(random.integers(0, 256, 3).tolist())
    if random.random() < 0.5:
        draw.ellipse((*(middle - reach), *(middle + reach)), fill=fill)
    else:
        draw.polygon([tuple(corner) for corner in corners], fill=fill)


def _sentence(random: np.random.Generator, words: int) -> str:
    return " ".join(random.choice(WORDS, words))


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _reduced(image: Image.Image) -> Pixels:
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
