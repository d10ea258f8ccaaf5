"""The flags that say how large results are to be. Standard library only: they stand in the help."""

from __future__ import annotations

import argparse
import math

from server.client.sizing import LEAST_FACTOR, MOST_FACTOR, Target


def add_size_flags(parser: argparse.ArgumentParser) -> None:
    """Add them to a command's other flags."""
    add = parser.add_argument
    add("--scale", type=float, metavar="N", help=f"{LEAST_FACTOR} to {MOST_FACTOR}, also 2.5 (2)")
    add(
        "--width",
        type=int,
        metavar="PX",
        help="of the result, instead; the height follows; its name is NAME-4000x3000.EXT",
    )
    add(
        "--height",
        type=int,
        metavar="PX",
        help="of the result, instead; the width follows, or both are given and fit the shape",
    )
    add("--long-side", type=int, metavar="PX", help="of the result, instead")
    add("--megapixels", type=float, metavar="MP", help="of the result, instead")


def size_of(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> Target:
    """Return what the flags say; wrong usage ends the program, as the parser does it.

    Args:
        arguments: as parsed.
        parser: whose flags they are.

    Returns:
        How large results are to be; ×2 where no flag came.
    """
    ways = {way: f"--{way.replace('_', '-')}" for way in ("scale", "width", "height", "long_side", "megapixels")}
    given = {way: getattr(arguments, way) for way in ways if getattr(arguments, way) is not None}
    for way, value in given.items():
        if way == "scale" and not LEAST_FACTOR <= value <= MOST_FACTOR:
            parser.error(f"--scale is {value:g}; expected {LEAST_FACTOR} to {MOST_FACTOR}.")
        if not 0 < value < math.inf:
            parser.error(f"{ways[way]} is {value:g}; expected more than 0.")
    if set(given) == {"width", "height"}:
        return Target("width", given["width"], given["height"])
    if len(given) > 1:
        parser.error(f"{' and '.join(ways[way] for way in given)} came; expected one, or --width with --height.")
    return Target(*given.popitem()) if given else Target()
