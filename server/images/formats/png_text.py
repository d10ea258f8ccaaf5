"""What a PNG says in words and by its chunks: XMP, profile, ImageMagick's raw profiles, colour, comments; both ways."""

from __future__ import annotations

import zlib

from server.images.metadata import photoshop
from server.images.photo import Photo

XMP_KEYWORD = b"XML:com.adobe.xmp"
RAW = b"Raw profile type "
MOST = 16 << 20  # bytes of one text or profile, unpacked
LONG = 1 << 16  # bytes from which on a text is compressed
TEXT = (b"tEXt", b"zTXt", b"iTXt")


def keyword_of(body: bytes) -> bytes:
    """Return the keyword that a text begins with."""
    return body[:80].partition(b"\0")[0]


def keyword_told(chunk: bytes, body: bytes) -> str:
    """Name a text in brackets, other chunks not at all."""
    return f" ({keyword_of(body).decode('latin-1')})" if chunk in TEXT else ""


def unpacked(data: bytes) -> bytes | None:
    """Inflate; None where the data is damaged or larger than any honest text."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, MOST + 1)
    except zlib.error:
        return None
    return text if unpacker.eof and len(text) <= MOST else None


def text_of(chunk: bytes, body: bytes) -> bytes | None:
    """Return the text of a text chunk, without its keyword; None where it cannot be read."""
    _, _, rest = body.partition(b"\0")
    if chunk == b"tEXt":
        return rest
    if chunk == b"zTXt":
        return unpacked(rest[1:])
    packed, method, rest = rest[:1], rest[1:2], rest[2:]
    parts = rest.split(b"\0", 2)
    if len(parts) < 3 or method not in (b"\0", b""):
        return None
    return unpacked(parts[2]) if packed == b"\1" else parts[2]


def take(photo: Photo, profile: bytes | None) -> None:
    """Move what has a place of its own out of a photo's chunks: XMP, EXIF, IPTC, and the profile of iCCP."""
    kept = []
    for chunk, body in photo.chunks:
        keyword = keyword_of(body) if chunk in TEXT else b""
        is_raw = keyword.startswith(RAW)
        if (keyword == XMP_KEYWORD and photo.xmp is None) or is_raw:
            text = text_of(chunk, body)
            if text is None:
                photo.notices.append(f"{keyword.decode('latin-1')} was left out: it is damaged, or larger than 16 MB.")
            elif not is_raw:
                photo.xmp = text
            elif not _take_raw(photo, keyword.removeprefix(RAW).lower(), text):
                kept.append((chunk, body))
        else:
            kept.append((chunk, body))
    photo.chunks = kept
    if profile is not None:
        _, _, rest = profile.partition(b"\0")
        photo.icc = unpacked(rest[1:])
        if photo.icc is None:
            photo.notices.append("The colour profile was left out: it is damaged, or larger than 16 MB.")
        else:
            photo.chunks.append((b"iCCP", profile))


def _take_raw(photo: Photo, what: bytes, text: bytes) -> bool:
    """Take one of ImageMagick's raw profiles: a name, a length, and hexadecimal digits; say whether it has a place."""
    parts = text.split(None, 2)
    try:
        contents = bytes.fromhex(parts[2].decode("ascii"))
    except (IndexError, ValueError):
        return False
    if what in (b"exif", b"app1") and contents.startswith(b"Exif\0\0") and photo.exif is None:
        photo.exif = contents[6:]
    elif what == b"exif" and contents[:2] in (b"II", b"MM") and photo.exif is None:
        photo.exif = contents
    elif what in (b"iptc", b"8bim", b"app13") and photo.photoshop is None:
        contents = contents.removeprefix(photoshop.MARK)
        photo.photoshop = contents if contents.startswith(photoshop.BEGIN) else photoshop.of_iptc(contents)
    elif what == b"xmp" and photo.xmp is None:
        photo.xmp = contents
    else:
        return False
    return True


def chunks_of(photo: Photo) -> tuple[list[tuple[bytes, bytes]], list[str]]:
    """Return the chunks that stand before the pixels, and sentences about what could not be kept."""
    own = [each for each in photo.chunks if each[0] != b"iCCP" or photo.icc is not None]
    notices: list[str] = []
    if photo.icc is not None and not any(name == b"iCCP" for name, _ in own):
        own.insert(0, (b"iCCP", b"ICC profile\0\0" + zlib.compress(photo.icc)))
    if photo.xmp is not None:
        own.append((b"iTXt", _international(XMP_KEYWORD, photo.xmp)))
    for comment in photo.comments:
        own.append((b"iTXt", _international(b"Comment", _utf8(comment))))
    if photo.photoshop is not None:
        iptc = photoshop.iptc_of(photo.photoshop)
        if iptc:
            own.append((b"zTXt", RAW + b"iptc\0\0" + zlib.compress(_raw(b"iptc", photoshop.of_iptc(iptc)))))
        rest = photoshop.others(photo.photoshop)
        if rest:
            notices.append(f"Photoshop's image resources ({rest}) were left out: PNG has no place for them.")
    return own, notices


def _international(keyword: bytes, text: bytes) -> bytes:
    packed = len(text) > LONG
    return keyword + (b"\0\1\0\0\0" + zlib.compress(text) if packed else b"\0\0\0\0\0" + text)


def _utf8(text: bytes) -> bytes:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        text = text.decode("latin-1").encode("utf-8")
    return text.rstrip(b"\0")


def _raw(name: bytes, contents: bytes) -> bytes:
    digits = contents.hex().encode()
    lines = b"\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
    return b"\n%s\n%8d\n%s\n" % (name, len(contents), lines)
