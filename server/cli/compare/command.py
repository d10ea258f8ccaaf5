"""`neural-upscale compare PHOTO`: the picture people decide by. Bicubic beside ours, or beside several models.

Writes a strip (PNG, at 100 % and 300 %) and an animation that shows one after the other for a second (WebP). Only a
patch of the photo is enlarged, with enough around it that its pixels are those of the whole photo's enlargement.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from server import client
from server.cli.compare.columns import enlarge_part
from server.cli.compare.picture import animation, busiest_part, shown, strip
from server.client.files import replacing
from server.errors import ServerError, WrongParameter
from server.images.decoder import Decoder

SUFFIX = "-compare"
PATCH = client.Size(320, 240)  # pixels of the photo; the strip shows twice that in each column
MOST_PIXELS = 256_000_000  # of the photo, of which only a part is sent
LEAST = 16  # pixels, of a patch's width and height


@dataclass(frozen=True)
class Order:
    """What the user asked for."""

    photo: Path  # the file
    output: Path  # the strip; the animation lies beside it
    models: tuple[str, ...]  # their names, or "auto"
    at: tuple[int, int] | None  # the patch's left upper corner in the photo; None for the busiest place
    patch: client.Size  # the patch's size in the photo; the photo's own where that is smaller
    overwrite: bool  # whether files that are there are replaced

    @property
    def targets(self) -> tuple[Path, Path]:
        """Return the paths of strip and animation."""
        return self.output.with_suffix(".png"), self.output.with_suffix(".webp")


def main(argv: Sequence[str] | None = None) -> int:
    """Write both pictures; the exit code is 1 when that failed."""
    try:
        order = _order(argv)
        for path in compare(order):
            sys.stdout.write(f"{path}\n")
    except (ServerError, client.ClientError, OSError) as fault:
        sys.stderr.write(f"neural-upscale: {fault}\n")
        return 1
    return 0


def _order(argv: Sequence[str] | None) -> Order:
    parser = argparse.ArgumentParser(
        prog="neural-upscale compare",
        description="Bicubic beside ours, or beside several models with their times: a strip, and an animation.",
    )
    add = parser.add_argument
    add("photo", type=Path, metavar="PHOTO", help="PNG, JPEG, TIFF or WebP")
    add("-o", "--output", type=Path, metavar="NAME.png", help="the strip; default: PHOTO-compare.png; .webp beside it")
    add("--model", action="append", metavar="NAME", help="from `neural-upscale models`; once more for another (auto)")
    add("--at", metavar="X,Y", help="left upper corner of the patch in the photo; default: where it has most detail")
    add("--size", metavar="W,H", help=f"of the patch in the photo; default: {PATCH.width},{PATCH.height}")
    add("--overwrite", action="store_true", help="replace results that are already there")
    given = parser.parse_args(argv)
    output = given.output or given.photo.with_name(given.photo.stem + SUFFIX + ".png")
    at = None if given.at is None else _pair("--at", given.at)
    width, height = (PATCH.width, PATCH.height) if given.size is None else _pair("--size", given.size)
    if min(width, height) < LEAST:
        raise WrongParameter(f"--size is {width},{height}; expected {LEAST} pixels or more each way.")
    return Order(given.photo, output, tuple(given.model or ["auto"]), at, client.Size(width, height), given.overwrite)


def _pair(flag: str, text: str) -> tuple[int, int]:
    one, comma, other = text.partition(",")
    if not (comma and one.isdigit() and other.isdigit()):
        raise WrongParameter(f"{flag} is {text!r}; expected two whole numbers of pixels, as in {flag} 120,80.")
    return int(one), int(other)


def compare(order: Order) -> tuple[Path, Path]:
    """Enlarge a patch in every way, and write strip and animation.

    Args:
        order: what to compare, and where it goes.

    Returns:
        The paths of both.

    Raises:
        WrongParameter: a target is there already, or the patch lies outside the photo.
    """
    if order.output.suffix.lower() not in ("", ".png"):
        raise WrongParameter(f"--output is {order.output.name}; expected a name that ends in .png; give another.")
    for target in order.targets:
        if target.exists() and not order.overwrite:
            raise WrongParameter(f"{target} is there already; name another with -o, or replace it with --overwrite.")
    if not order.photo.is_file():
        raise WrongParameter(f"There is no file {order.photo}; check its name.")
    with Decoder() as decoder:
        photo = shown(decoder.read(order.photo, order.photo.name, MOST_PIXELS))
    part = _part(photo, order)
    found = enlarge_part(photo, part, order.models)
    targets = order.targets
    with replacing(targets[0]) as file:
        strip(found.columns).save(file, "PNG", optimize=True)
    frames = animation(found.frames)
    with replacing(targets[1]) as file:
        frames[0].save(
            file, "WEBP", save_all=True, append_images=frames[1:], duration=1000, loop=0, quality=95, method=4
        )
    return targets


def _part(photo: Image.Image, order: Order) -> client.Region:
    width, height, at = min(order.patch.width, photo.width), min(order.patch.height, photo.height), order.at
    if at is None:
        return busiest_part(photo, width, height)
    if at[0] >= photo.width or at[1] >= photo.height:
        raise WrongParameter(
            f"--at is {at[0]},{at[1]}, the photo has {photo.width}×{photo.height} pixels; stay inside."
        )
    return client.Region(min(at[0], photo.width - width), min(at[1], photo.height - height), width, height)
