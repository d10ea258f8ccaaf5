"""TIFF and BigTIFF: which of its pictures is the picture, its tags, and how its samples become colours.

Only the directories and tags that are needed are read, so that a long or twisted chain of directories costs nothing.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from server.client.protocol import Size
from server.errors import NotAnImage
from server.images import limits
from server.images.colours import from_lab, narrowed, plain
from server.images.formats import tiff_pixels, tiff_tags
from server.images.formats.tiff_pages import (
    BLACK_IS_ZERO,
    CIELAB,
    CMYK,
    COLOURS,
    ICCLAB,
    NAMES,
    PALETTE,
    WHITE_IS_ZERO,
    YCBCR,
    Page,
    chain_of,
    choose,
    one,
)
from server.images.metadata import ifd
from server.images.metadata.ifd import Entry, Folder, Source, Structure
from server.images.photo import Photo

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PREMULTIPLIED, STRAIGHT = 1, 2  # of TIFF's kinds of extra samples
BY_PILLOW = {2: "fax", 3: "fax", 4: "fax", 6: "old JPEG", 7: "JPEG", 32809: "ThunderScan"}
DENSEST = {1: 1, 8: 1032, 32946: 1032, 5: 2800, 32773: 64}  # others: flat pictures take next to nothing
SPARSEST = 100_000
NOT_FOR_DECODERS = (254, 255, 330, 273, 279, 324, 325, 700, 33723, 34377, 34665, 34675, 34853, 40965)


def read(source: bytes | Path, name: str, max_pixels: int | None) -> Photo:
    """Read the picture of a TIFF.

    Args:
        source: the file's contents, or where it lies.
        name: what to call it in messages.
        max_pixels: refuse more, before decoding; None for no limit.

    Returns:
        The photo, as it lies: u8, u16, f16 or f32 (wider floats become f32); four samples without alpha are CMYK.

    Raises:
        NotAnImage: the colours, samples or compression are none that can be read.
    """
    opened = Source(source)
    try:
        structure = Structure(opened)
        chain, unread = chain_of(structure, structure.first)
        first = chain[0]
        photo = Photo(np.zeros((1, 1, 1), np.uint8))
        page = choose(structure, chain, unread, photo.notices, name)
        photo.samples, photo.is_cmyk = _samples(structure, page, name, max_pixels, photo.notices)
        tiff_tags.take(structure, first, page, photo)
        if one(structure, page, 262, BLACK_IS_ZERO) in (CIELAB, ICCLAB) and photo.icc is not None:
            photo.icc = None
            photo.notices.append("The colour profile was left out: L*a*b* needs none, and the result is sRGB.")
        return photo
    except ifd.Damaged as fault:
        raise NotAnImage(
            f"{name} is no TIFF that can be followed ({fault}); expected one whose directories are whole; save it anew."
        ) from fault
    finally:
        opened.close()


def _samples(
    structure: Structure, page: Page, name: str, max_pixels: int | None, notices: list[str]
) -> tuple[NDArray[Any], bool]:
    """Decode a page to (H, W, S), and say whether its colours are CMYK."""
    colours = one(structure, page, 262, BLACK_IS_ZERO)
    layout = _layout(structure, page, name, max_pixels)
    if layout.compression in BY_PILLOW or colours == YCBCR:
        return _by_pillow(structure, page, layout, colours, name, notices)
    if colours not in COLOURS:
        raise NotAnImage(
            f"{name} holds {NAMES.get(colours, f'unknown ({colours})')} colours; expected grey, RGB or CMYK; "
            "convert it first."
        )
    if layout.samples < COLOURS[colours]:
        raise NotAnImage(f"{name} has {layout.samples} samples a pixel, too few for its colours; check the file.")
    if one(structure, page, 339, 1) == 2:
        raise NotAnImage(f"{name} holds signed numbers; expected 8 or 16 bits or float; convert it first.")
    samples = tiff_pixels.read(structure.source, layout, name)
    if samples.dtype == np.float64:
        samples = narrowed(samples, np.float32)
    if colours == WHITE_IS_ZERO:
        samples[:, :, 0] = (np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1) - samples[:, :, 0]
    count = COLOURS[colours]
    if colours == PALETTE:
        samples, count = _looked_up(samples, layout.bits, structure.numbers(page.get(320)), name), 3
        notices.append("The palette was converted to RGB.")
    samples = _with_alpha(samples, count, structure.numbers(page.get(338)), notices)
    if colours in (CIELAB, ICCLAB):
        samples = from_lab(samples, notices, is_signed=colours == CIELAB)
    return samples, colours == CMYK


def _looked_up(samples: NDArray[Any], bits: int, table: tuple[int, ...], name: str) -> NDArray[Any]:
    """Look the first sample up in a colour map of 16 bits; with 8 bits where neither map nor samples have more."""
    size = 1 << bits
    if len(table) != 3 * size:
        raise NotAnImage(f"{name} has a palette of {len(table)} numbers; expected {3 * size}; check the file.")
    colours: NDArray[Any] = np.array(table, np.uint16).reshape(3, size).T
    if colours.max() < 256:  # some programs write 8 bits, at either end
        colours <<= 8
    if not (colours & 255).any():
        colours |= colours >> 8
    if bits <= 8 and (colours >> 8 == colours & 255).all():
        colours = colours.astype(np.uint8)
    white = np.iinfo(colours.dtype).max
    further = (samples[:, :, 1:].astype(np.uint32) * white // (size - 1)).astype(colours.dtype)  # these are no indices
    return np.concatenate([colours[samples[:, :, 0]], further], axis=2)


def _with_alpha(samples: NDArray[Any], count: int, extra: tuple[int, ...], notices: list[str]) -> NDArray[Any]:
    """Keep the colours and the alpha that the file names; other samples are left out with a notice."""
    kinds = (*extra, *(0,) * (samples.shape[2] - count))[: samples.shape[2] - count]
    place = next((index for index, kind in enumerate(kinds) if kind in (PREMULTIPLIED, STRAIGHT)), None)
    gone = len(kinds) - (place is not None)
    if gone:
        notices.append(f"{gone} extra sample{'s' * (gone > 1)} of each pixel, neither colour nor alpha, left out.")
    if place is None:
        return np.ascontiguousarray(samples[:, :, :count])
    kept = np.concatenate([samples[:, :, :count], samples[:, :, count + place, None]], axis=2)
    return straight(kept) if kinds[place] == PREMULTIPLIED else kept


def straight(samples: NDArray[Any]) -> NDArray[Any]:
    """Divide colours (H, W, S) by the last sample, alpha, that they were multiplied with; under no alpha they stay."""
    white = np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1
    alpha = samples[:, :, -1:].astype(np.float32) / white
    divisor = np.where(alpha > 0, alpha, np.float32(1))
    if samples.dtype.kind == "u":
        colour = np.rint(np.minimum(samples[:, :, :-1] / divisor, white)).astype(samples.dtype)
    else:
        colour = narrowed(samples[:, :, :-1] / divisor.astype(np.float64), samples.dtype)
    return np.concatenate([colour, samples[:, :, -1:]], axis=2)


def _layout(structure: Structure, page: Page, name: str, max_pixels: int | None) -> tiff_pixels.Layout:
    """Read how a page is stored, and refuse what is too large, before anything of its size is allocated."""
    size = Size(one(structure, page, 256, 0), one(structure, page, 257, 0))
    samples = one(structure, page, 277, 1)
    bits = structure.numbers(page.get(258)) or (1,)
    width = max(bits[:64])
    compression = one(structure, page, 259, 1)
    if one(structure, page, 32997, 1) > 1:
        raise NotAnImage(f"{name} holds a volume ({one(structure, page, 32997, 1)} layers deep); expected a picture.")
    sample_bytes = 1 if width <= 8 else 2 if width <= 16 else width / 8
    ratio = DENSEST.get(compression, SPARSEST) * 8 * sample_bytes / max(1, width)
    limits.check(name, size, max(samples, 4 if compression in BY_PILLOW else 1), sample_bytes, max_pixels,
                 structure.source.size, ratio)  # fmt: skip
    sample_format = one(structure, page, 339, 1)
    is_float = sample_format == tiff_pixels.FLOAT
    if (
        len(set(bits)) > 1
        or not (width in (16, 32, 64) if is_float else 1 <= width <= 16)
        or sample_format not in (1, 2, 3, 4)
    ):
        kind = {2: "signed", 3: "float", 5: "complex", 6: "complex"}.get(sample_format, "unsigned")
        raise NotAnImage(
            f"{name} has samples of {'/'.join(map(str, bits[:8]))} bits ({kind}); expected 1 to 16 bits, or float "
            "of 16, 32 or 64; convert it first."
        )
    tiled = 322 in page
    if tiled:
        piece = Size(one(structure, page, 322, 0), one(structure, page, 323, 0))
    else:
        piece = Size(size.width, min(size.height, one(structure, page, 278, size.height) or size.height))
    is_planar = one(structure, page, 284, 1) == 2 and samples > 1
    pieces = _count(piece, size, name) * (samples if is_planar else 1)
    most = 8 * pieces + 64
    offsets = structure.numbers(page.get(324) or page.get(273), most)
    counts = structure.numbers(page.get(325) or page.get(279), most)
    if not counts and len(offsets) == 1:
        counts = (max(0, structure.source.size - offsets[0]),)
    return tiff_pixels.Layout(
        size, samples, width, is_float, one(structure, page, 262, BLACK_IS_ZERO) == PALETTE, structure.order,
        compression, one(structure, page, 317, 1) if compression in tiff_pixels.PREDICTED else 1, is_planar,
        one(structure, page, 266, 1) == 2, piece, tiled, offsets[: len(counts)], counts,
    )  # fmt: skip


def _count(piece: Size, size: Size, name: str) -> int:
    """Return how many pieces a plane has; refuse pieces larger than the picture, or so small that they take ages."""
    if piece.width < 1 or piece.height < 1:
        raise NotAnImage(f"{name} has pieces of {piece.width}×{piece.height} pixels; check the file.")
    if piece.height > 2 * size.height + 1024 or piece.width > 2 * size.width + 1024:
        raise NotAnImage(
            f"{name} has pieces of {piece.width}×{piece.height} pixels, more than the picture; save it anew."
        )
    count = -(-size.width // piece.width) * -(-size.height // piece.height)
    if count > max(size.height, size.width * size.height // 64) + 64:
        raise NotAnImage(f"{name} has {count} pieces of {piece.width}×{piece.height} pixels; expected larger ones.")
    return count


def _by_pillow(
    structure: Structure, page: Page, layout: tiff_pixels.Layout, colours: int, name: str, notices: list[str]
) -> tuple[NDArray[Any], bool]:
    """Let Pillow decode a page: as a TIFF of its own, with the tags that tell how it is stored and no others."""
    if layout.bits > 8:
        what = NAMES.get(colours, BY_PILLOW.get(layout.compression, ""))
        raise NotAnImage(f"{name} holds {what} with {layout.bits} bits; expected grey, RGB or CMYK; convert it first.")
    with Image.open(io.BytesIO(_alone(structure, page, layout))) as image:
        if image.size != (layout.size.width, layout.size.height):
            raise NotAnImage(f"{name} is damaged: its parts do not agree about its size; get it anew.")
        samples, told = plain(image)
        notices += told
        return samples, image.mode == "CMYK"


def _alone(structure: Structure, page: Page, layout: tiff_pixels.Layout) -> bytes:
    """Write a TIFF that holds one page alone, its pieces as they are."""
    order = structure.order
    folder = Folder()
    for tag in tiff_tags.STORAGE:
        if tag in page and tag not in NOT_FOR_DECODERS:
            value = structure.read(page[tag])
            if value is not None and page[tag].kind not in (ifd.IFD, 16, 17, 18):
                folder.entries[tag] = Entry(tag, page[tag].kind, page[tag].count, value)
    for tag in (256, 257, 277, 278, 322, 323):
        if tag in page:
            folder.entries[tag] = ifd.number(tag, one(structure, page, tag, 0), order)
    pieces = [structure.source.read(*each) for each in zip(layout.offsets, layout.counts, strict=True)]
    body, offsets = bytearray(), []
    for piece in pieces:
        offsets.append(8 + len(body))
        body += piece + b"\0" * (len(piece) % 2)
    places, lengths = (324, 325) if layout.is_tiled else (273, 279)
    for tag, values in ((places, offsets), (lengths, [len(piece) for piece in pieces])):
        packed = b"".join(value.to_bytes(4, "little" if order == "<" else "big") for value in values)
        folder.entries[tag] = Entry(tag, ifd.LONG, len(values), packed)
    first = 8 + len(body)
    return ifd.header(order, first) + bytes(body) + ifd.written(folder, order, first)
