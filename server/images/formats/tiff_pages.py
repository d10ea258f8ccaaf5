"""Which of a TIFF's pictures is the picture: its directories, as far as they are needed. Knows no pixels."""

from __future__ import annotations

import contextlib

from server.errors import NotAnImage
from server.images.metadata import ifd
from server.images.metadata.ifd import Pending, Structure

WHITE_IS_ZERO, BLACK_IS_ZERO, RED_GREEN_BLUE, PALETTE, MASK, CMYK, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 4, 5, 6, 8, 9
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RED_GREEN_BLUE: 3, PALETTE: 1, CMYK: 4, CIELAB: 3, ICCLAB: 3}  # samples
NAMES = {PALETTE: "palette", MASK: "mask", YCBCR: "YCbCr", CIELAB: "CIELAB", ICCLAB: "ICCLAB", 10: "ITULAB",
         32803: "colour filter array (raw)", 32844: "LogL", 32845: "LogLuv", 34892: "linear raw"}  # fmt: skip
REDUCED = 1  # bit of NewSubfileType
MOST_DIRECTORIES = 64  # that are looked at for the picture
MOST_COUNTED = 100_000  # that are counted

Page = dict[int, Pending]


def one(structure: Structure, page: Page, tag: int, otherwise: int) -> int:
    """Return the first number of a tag, or another one where the tag is missing."""
    values = structure.numbers(page.get(tag))
    return values[0] if values else otherwise


def _is_reduced(structure: Structure, page: Page) -> bool:
    return bool(one(structure, page, 254, 0) & REDUCED) or one(structure, page, 255, 0) == 2


def _area(structure: Structure, page: Page) -> int:
    return one(structure, page, 256, 0) * one(structure, page, 257, 0)


def _shown(structure: Structure, page: Page) -> str:
    return f"{one(structure, page, 256, 0)}×{one(structure, page, 257, 0)}"


def choose(structure: Structure, chain: list[Page], unread: int, notices: list[str], name: str) -> Page:
    """Choose the picture: the first one, unless it is a preview of a larger one.

    Args:
        structure: of the file.
        chain: its first directories.
        unread: how many directories follow them.
        notices: what is said about the others is put here.
        name: what to call the file in messages.

    Returns:
        The directory of the picture.

    Raises:
        NotAnImage: the picture behind a preview holds a camera's raw samples.
    """
    first = chain[0]
    inside = _inside(structure, first)
    is_preview = _is_reduced(structure, first)
    candidates = [page for page in inside + (chain[1:] if is_preview else []) if not _is_reduced(structure, page)]
    best = max(candidates, key=lambda page: _area(structure, page), default=first)
    if best is not first and not is_preview and _area(structure, best) <= _area(structure, first):
        best = first
    if best is not first:
        colours = one(structure, best, 262, BLACK_IS_ZERO)
        if colours not in COLOURS and colours != YCBCR:
            raise NotAnImage(
                f"{name} begins with a preview of {_shown(structure, first)} pixels; its picture of "
                f"{_shown(structure, best)} holds {NAMES.get(colours, colours)} samples; develop it to a TIFF first."
            )
        notices.append(
            f"The file begins with a preview of {_shown(structure, first)} pixels, which was left out; its picture of "
            f"{_shown(structure, best)} was enlarged."
        )
    further = len([page for page in chain if page is not first and not _is_reduced(structure, page)])
    further += unread - (further > 0 and best is not first)
    if further:
        notices.append(f"Only the first of {further + 1} pictures in the file is enlarged; {further} left out.")
    elif len(chain) + len(inside) > 1 + (best is not first):
        notices.append("Smaller copies of the picture in the file were left out.")
    return best


def _inside(structure: Structure, first: Page) -> list[Page]:
    """Return the directories that the first one names as its SubIFDs; those that cannot be followed are passed over."""
    pages = []
    for place in structure.numbers(first.get(330))[:MOST_DIRECTORIES]:
        with contextlib.suppress(ifd.Damaged):
            pages.append(structure.directory(place)[0])
    return pages


def chain_of(structure: Structure, place: int) -> tuple[list[Page], int]:
    """Follow the chain of directories that begins at `place`.

    Args:
        structure: of the file.
        place: of the first directory.

    Returns:
        The first directories, MOST_DIRECTORIES at most, and how many follow them, which are only counted.

    Raises:
        Damaged: there is no directory.
    """
    pages: list[Page] = []
    seen: set[int] = set()
    while place and place not in seen and len(seen) < MOST_COUNTED:
        seen.add(place)
        try:
            if len(pages) < MOST_DIRECTORIES:
                page, place = structure.directory(place)
                pages.append(page)
            else:
                place = structure.following(place)
        except ifd.Damaged:
            if not pages:
                raise
            seen.discard(place)
            break
    if not pages:
        raise ifd.Damaged("it names no picture")
    return pages, len(seen) - len(pages)
