"""What a TIFF says beside its pixels: which tags are kept as EXIF, and which are not."""

from __future__ import annotations

from server.images.formats.tiff_pages import Page
from server.images.metadata import exif, ifd, photoshop
from server.images.metadata.ifd import Entry, Folder, Structure
from server.images.photo import Photo

XMP, IPTC, PHOTOSHOP, ICC = 700, 33723, 34377, 34675
# How a picture is stored, which is made anew; and what is kept elsewhere.
STORAGE = (
    *range(254, 260), *range(262, 267), 273, 277, *range(278, 282), 284, *range(288, 294), 317, *range(320, 337),
    *range(338, 348), 351, *range(512, 522), *range(529, 533), 559, 32781, *range(32995, 32999), 33421, 33422,
    XMP, IPTC, PHOTOSHOP, ICC, 34665, 34853, 40965,
)  # fmt: skip
NOT_KEPT = {
    37724: "Photoshop's layers", 50255: "annotations", 33550: "the georeference", 33922: "the georeference",
    34264: "the georeference", 34735: "the georeference", 34736: "the georeference", 34737: "the georeference",
    50838: "ImageJ's data", 50839: "ImageJ's data", 42112: "GDAL's data",
}  # fmt: skip
RAW_TAGS = range(50706, 52600)  # DNG's


def take(structure: Structure, first: Page, page: Page, photo: Photo) -> None:
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
