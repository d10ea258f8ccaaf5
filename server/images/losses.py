"""What of a photo has no place in a format: one sentence for each kind of thing."""

from __future__ import annotations

from server.images.colours import COLOUR_CHUNKS
from server.images.formats import png_text
from server.images.metadata import photoshop
from server.images.photo import Photo

MOST_NOTICES, LONGEST_NOTICE = 20, 400  # sentences, characters


def left_out(photo: Photo, kind: str, *, is_jpeg: bool = False) -> list[str]:
    """Return sentences on what of a photo has no place in a format; `is_jpeg` says that it holds a JPEG."""
    notices = []
    is_jpeg = is_jpeg or kind == "JPEG"

    def tell(what: str) -> None:
        notices.append(f"{what} was left out: {kind} has no place for it.")

    if photo.photoshop is not None and not is_jpeg and kind not in ("TIFF", "PNG"):
        tell(photoshop.told(photo.photoshop))
    if photo.comments and not is_jpeg and kind != "PNG":
        tell("The comment")
    if photo.segments and not is_jpeg:
        names = {f"APP{marker - 0xE0} {_start(body)}".strip() for marker, body in photo.segments}
        tell(f"JPEG's {', '.join(sorted(names))}")
    if photo.pieces and kind != "WEBP":
        tell(f"WebP's {', '.join(sorted(name.decode('latin-1').strip() for name, _ in photo.pieces))}")
    if kind != "PNG":
        texts = [png_text.keyword_of(body).decode("latin-1") for name, body in photo.chunks if name in png_text.TEXT]
        others = [
            name.decode("latin-1") for name, _ in photo.chunks if name not in (*png_text.TEXT, *COLOUR_CHUNKS, b"iCCP")
        ]
        if texts:
            tell(f"PNG's text ({', '.join(texts)})")
        if others:
            tell(f"PNG's {', '.join(others)}")
    return notices


def told(notices: list[str]) -> list[str]:
    """Make notices fit for a terminal and a header: each once, no more than can be read, nothing but printable text."""
    whole = [_printable(each) for each in dict.fromkeys(notices)]
    more = len(whole) - MOST_NOTICES
    return whole if more <= 0 else [*whole[:MOST_NOTICES], f"And {more} more things like these."]


def _printable(notice: str) -> str:
    text = "".join(letter if letter.isprintable() else "?" for letter in notice[: LONGEST_NOTICE + 1])
    return text if len(text) <= LONGEST_NOTICE else text[:LONGEST_NOTICE] + "…"


def _start(body: bytes) -> str:
    """Return the word that an application segment begins with."""
    word = body[:32].partition(b"\0")[0]
    return word.decode("ascii", "ignore") if word.isascii() else ""
