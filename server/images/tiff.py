"""TIFF and BigTIFF: which of its pictures is the picture, its tags, and how its samples become colours.

Only the directories and tags that are needed are read, so that a long or twisted chain of directories costs nothing.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from server.client.protocol import Size
from server.errors import NotAnImage
from server.images import exif, ifd, limits, photoshop, tiff_pixels
from server.images.colours import plain
from server.images.ifd import Entry, Folder, Pending, Source, Structure
from server.images.photo import Photo

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
XMP, IPTC, PHOTOSHOP, ICC = 700, 33723, 34377, 34675
WHITE_IS_ZERO, BLACK_IS_ZERO, RED_GREEN_BLUE, PALETTE, MASK, CMYK, YCBCR, CIELAB = 0, 1, 2, 3, 4, 5, 6, 8
COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RED_GREEN_BLUE: 3, CMYK: 4}
NAMES = {PALETTE: "palette", MASK: "mask", YCBCR: "YCbCr", CIELAB: "CIELAB", 9: "ICCLAB", 10: "ITULAB",
         32803: "colour filter array (raw)", 32844: "LogL", 32845: "LogLuv", 34892: "linear raw"}  # fmt: skip
PREMULTIPLIED, STRAIGHT = 1, 2  # of TIFF's kinds of extra samples
BY_PILLOW = {2: "fax", 3: "fax", 4: "fax", 6: "old JPEG", 7: "JPEG", 32809: "ThunderScan"}
REDUCED = 1  # bit of NewSubfileType
MOST_DIRECTORIES = 64  # that are looked at for the picture
DENSEST = {1: 1, 8: 1032, 32946: 1032, 5: 2800, 32773: 64}  # others: flat pictures take next to nothing
SPARSEST = 100_000
# How a picture is stored, which is made anew; and what is kept elsewhere.
STORAGE = (
    *range(254, 260), *range(262, 267), 273, 277, *range(278, 282), 284, *range(288, 294), 297, 317, *range(320, 337),
    *range(338, 348), 351, *range(512, 522), *range(529, 533), 559, 32781, *range(32995, 32999), 33421, 33422,
    XMP, IPTC, PHOTOSHOP, ICC, 34665, 34853, 40965,
)  # fmt: skip
NOT_KEPT = {
    37724: "Photoshop's layers", 50255: "annotations", 33550: "the georeference", 33922: "the georeference",
    34264: "the georeference", 34735: "the georeference", 34736: "the georeference", 34737: "the georeference",
    50838: "ImageJ's data", 50839: "ImageJ's data", 42112: "GDAL's data",
}  # fmt: skip
RAW_TAGS = range(50706, 52600)  # DNG's


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
        chain = _chain(structure, structure.first)
        first = chain[0]
        photo = Photo(np.zeros((1, 1, 1), np.uint8))
        page = _choose(structure, chain, photo.notices, name)
        photo.samples, photo.is_cmyk = _samples(structure, page, name, max_pixels, photo.notices)
        _take_tags(structure, first, page, photo)
        return photo
    except ifd.Damaged as fault:
        raise NotAnImage(
            f"{name} is no TIFF that can be followed ({fault}); expected one whose directories are whole; save it anew."
        ) from fault
    finally:
        opened.close()


Page = dict[int, Pending]


def _one(structure: Structure, page: Page, tag: int, otherwise: int) -> int:
    values = structure.numbers(page.get(tag))
    return values[0] if values else otherwise


def _is_reduced(structure: Structure, page: Page) -> bool:
    return bool(_one(structure, page, 254, 0) & REDUCED) or _one(structure, page, 255, 0) == 2


def _area(structure: Structure, page: Page) -> int:
    return _one(structure, page, 256, 0) * _one(structure, page, 257, 0)


def _shown(structure: Structure, page: Page) -> str:
    return f"{_one(structure, page, 256, 0)}×{_one(structure, page, 257, 0)}"


def _choose(structure: Structure, chain: list[Page], notices: list[str], name: str) -> Page:
    """Choose the picture: the first one, unless it is a preview of a larger one."""
    first = chain[0]
    inside = _inside(structure, first)
    is_preview = _is_reduced(structure, first)
    candidates = [page for page in inside + (chain[1:] if is_preview else []) if not _is_reduced(structure, page)]
    best = max(candidates, key=lambda page: _area(structure, page), default=first)
    if best is not first and not is_preview and _area(structure, best) <= _area(structure, first):
        best = first
    if best is not first:
        colours = _one(structure, best, 262, BLACK_IS_ZERO)
        if colours not in COLOURS and colours not in (PALETTE, YCBCR, CIELAB):
            raise NotAnImage(
                f"{name} begins with a preview of {_shown(structure, first)} pixels; its picture of "
                f"{_shown(structure, best)} holds {NAMES.get(colours, colours)} samples; develop it to a TIFF first."
            )
        notices.append(
            f"The file begins with a preview of {_shown(structure, first)} pixels, which was left out; its picture of "
            f"{_shown(structure, best)} was enlarged."
        )
    if len([page for page in chain if page is not first and not _is_reduced(structure, page)]) > (best is not first):
        notices.append("Only the first of several pictures in the file is enlarged.")
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


def _chain(structure: Structure, place: int) -> list[Page]:
    pages: list[Page] = []
    seen: set[int] = set()
    while place and place not in seen and len(pages) < MOST_DIRECTORIES:
        seen.add(place)
        try:
            page, place = structure.directory(place)
        except ifd.Damaged:
            if not pages:
                raise
            break
        pages.append(page)
    if not pages:
        raise ifd.Damaged("it names no picture")
    return pages


def _samples(
    structure: Structure, page: Page, name: str, max_pixels: int | None, notices: list[str]
) -> tuple[NDArray[Any], bool]:
    """Decode a page to (H, W, S), and say whether its colours are CMYK."""
    colours = _one(structure, page, 262, BLACK_IS_ZERO)
    layout = _layout(structure, page, name, max_pixels)
    if layout.compression in BY_PILLOW or colours in (PALETTE, YCBCR, CIELAB):
        return _by_pillow(structure, page, layout, colours, name, notices)
    if colours not in COLOURS:
        raise NotAnImage(
            f"{name} holds {NAMES.get(colours, f'unknown ({colours})')} colours; expected grey, RGB or CMYK; "
            "convert it first."
        )
    if layout.samples < COLOURS[colours]:
        raise NotAnImage(f"{name} has {layout.samples} samples a pixel, too few for its colours; check the file.")
    if _one(structure, page, 339, 1) == 2:
        raise NotAnImage(f"{name} holds signed numbers; expected 8 or 16 bits or float; convert it first.")
    samples = tiff_pixels.read(structure.source, layout, name)
    if samples.dtype == np.float64:
        samples = samples.astype(np.float32)
    if colours == WHITE_IS_ZERO and samples.dtype.kind == "u":
        samples[:, :, 0] = np.iinfo(samples.dtype).max - samples[:, :, 0]
    extra = structure.numbers(page.get(338))
    return _with_alpha(samples, COLOURS[colours], extra, notices), colours == CMYK


def _with_alpha(samples: NDArray[Any], count: int, extra: tuple[int, ...], notices: list[str]) -> NDArray[Any]:
    """Keep the colours and the alpha that the file names; other samples are left out with a notice."""
    kinds = (*extra, *(0,) * (samples.shape[2] - count))[: samples.shape[2] - count]
    place = next((index for index, kind in enumerate(kinds) if kind in (PREMULTIPLIED, STRAIGHT)), None)
    is_cmyk = count == 4
    gone = len(kinds) - (place is not None and not is_cmyk)
    if gone:
        notices.append(
            f"{gone} extra sample{'s' * (gone > 1)} of each pixel, of unspecified meaning, left out.".capitalize()
        )
    if place is None or is_cmyk:
        return np.ascontiguousarray(samples[:, :, :count])
    kept = np.concatenate([samples[:, :, :count], samples[:, :, count + place, None]], axis=2)
    return _straight(kept) if kinds[place] == PREMULTIPLIED else kept


def _straight(samples: NDArray[Any]) -> NDArray[Any]:
    """Divide colours by the alpha that they were multiplied with; under full transparency they stay."""
    white = np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1
    alpha = samples[:, :, -1:].astype(np.float32) / white
    colour = samples[:, :, :-1] / np.where(alpha > 0, alpha, np.float32(1))
    if samples.dtype.kind == "u":
        colour = np.rint(np.minimum(colour, white))
    return np.concatenate([colour.astype(samples.dtype), samples[:, :, -1:]], axis=2)


def _layout(structure: Structure, page: Page, name: str, max_pixels: int | None) -> tiff_pixels.Layout:
    """Read how a page is stored, and refuse what is too large, before anything of its size is allocated."""
    size = Size(_one(structure, page, 256, 0), _one(structure, page, 257, 0))
    samples = _one(structure, page, 277, 1)
    bits = structure.numbers(page.get(258)) or (1,)
    width = max(bits[:64])
    compression = _one(structure, page, 259, 1)
    if _one(structure, page, 32997, 1) > 1:
        raise NotAnImage(f"{name} holds a volume ({_one(structure, page, 32997, 1)} layers deep); expected a picture.")
    sample_bytes = 1 if width <= 8 else 2 if width <= 16 else width / 8
    ratio = DENSEST.get(compression, SPARSEST) * 8 * sample_bytes / max(1, width)
    limits.check(name, size, max(samples, 4 if compression in BY_PILLOW else 1), sample_bytes, max_pixels,
                 structure.source.size, ratio)  # fmt: skip
    sample_format = _one(structure, page, 339, 1)
    is_float = sample_format == tiff_pixels.FLOAT
    if (
        len(set(bits)) > 1
        or not (width in (16, 32, 64) if is_float else 1 <= width <= 16)
        or sample_format not in (1, 2, 3, 4)
    ):
        kind = {2: "signed", 3: "float", 5: "complex", 6: "complex"}.get(sample_format, "unsigned")
        raise NotAnImage(
            f"{name} has samples of {'/'.join(map(str, bits[:8]))} bits ({kind}); expected 1 to 16 bits, or float of 16, "
            "32 or 64; convert it first."
        )
    tiled = 322 in page
    if tiled:
        piece = Size(_one(structure, page, 322, 0), _one(structure, page, 323, 0))
    else:
        piece = Size(size.width, min(size.height, _one(structure, page, 278, size.height) or size.height))
    is_planar = _one(structure, page, 284, 1) == 2 and samples > 1
    pieces = _count(piece, size, name) * (samples if is_planar else 1)
    most = 8 * pieces + 64
    offsets = structure.numbers(page.get(324) or page.get(273), most)
    counts = structure.numbers(page.get(325) or page.get(279), most)
    if not counts and len(offsets) == 1:
        counts = (max(0, structure.source.size - offsets[0]),)
    return tiff_pixels.Layout(
        size, samples, width, is_float, structure.order, compression, _one(structure, page, 317, 1), is_planar,
        _one(structure, page, 266, 1) == 2, piece, tiled, offsets[: len(counts)], counts,
    )  # fmt: skip


def _count(piece: Size, size: Size, name: str) -> int:
    """Return how many pieces a plane has; refuse pieces larger than the picture, or so small that they take for ever."""
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
    if layout.bits > 8 and not (colours == PALETTE and layout.bits == 16):
        raise NotAnImage(
            f"{name} holds {NAMES.get(colours, BY_PILLOW.get(layout.compression, ''))} with {layout.bits} bits; expected "
            "grey, RGB or CMYK; convert it first."
        )
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
    for tag in STORAGE:
        if tag in page and tag not in (
            254,
            255,
            330,
            XMP,
            IPTC,
            PHOTOSHOP,
            ICC,
            34665,
            34853,
            40965,
            273,
            324,
            279,
            325,
        ):
            value = structure.read(page[tag])
            if value is not None and page[tag].kind not in (ifd.IFD, 16, 17, 18):
                folder.entries[tag] = Entry(tag, page[tag].kind, page[tag].count, value)
    for tag in (256, 257, 277, 278, 322, 323):
        if tag in page:
            folder.entries[tag] = ifd.number(tag, _one(structure, page, tag, 0), order)
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


def _take_tags(structure: Structure, first: Page, page: Page, photo: Photo) -> None:
    """Take everything that a file says about its picture; a SubIFD's picture has its words in the first directory."""
    both = first | {tag: entry for tag, entry in page.items() if tag not in (ifd.EXIF_FOLDER, ifd.GPS_FOLDER)}
    both |= {tag: entry for tag, entry in page.items() if tag not in first}
    for tag, place in ((XMP, "xmp"), (ICC, "icc"), (PHOTOSHOP, "photoshop")):
        setattr(photo, place, structure.read(both[tag]) if tag in both else None)
    records = structure.read(both[IPTC]) if IPTC in both else None
    if records and not photoshop.iptc_of(photo.photoshop or b""):
        photo.photoshop = (photo.photoshop or b"") + photoshop.of_iptc(records)
    folder, unread = Folder(), []
    told = set()
    for tag, entry in both.items():
        if tag in STORAGE:
            continue
        if tag in NOT_KEPT or tag in RAW_TAGS:
            told.add(NOT_KEPT.get(tag, "DNG's description of its raw samples"))
            continue
        value = structure.read(entry) if entry.kind not in (ifd.IFD, 16, 17, 18) else None
        if value is None:
            unread += [tag] if entry.count else []
        else:
            folder.entries[tag] = Entry(tag, entry.kind, entry.count, value)
    for tag in (ifd.EXIF_FOLDER, ifd.GPS_FOLDER):
        places = structure.numbers(both.get(tag))
        try:
            if places:
                folder.children[tag], inside = structure.folder(places[0], 1)
                unread += inside
        except ifd.Damaged:
            unread.append(tag)
    if unread:
        told.add(", ".join(exif.name_of(tag) for tag in unread[:20]) + " (damaged, or larger than 16 MB)")
    photo.notices += [f"TIFF: {what} was left out." for what in sorted(told)]
    if exif.MAKER_NOTE in folder.children.get(ifd.EXIF_FOLDER, Folder()).entries:
        photo.notices.append(
            "The camera's MakerNote was moved; programs that follow its offsets may not read all of it."
        )
    photo.exif = exif.block_of(folder, structure.order) if folder.entries or folder.children else None
    photo.dpi = exif.resolution(photo.exif)
