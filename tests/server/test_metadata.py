"""Whatever exiftool sees in a file is in the result, or the notices name it: for every pair of formats."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from server.images.files import read_photo
from server.images.saving import save_photo
from tests.server.file_kinds import XMP, Value, chunk, exif, iptc, jpeg, long, picture, psd, rgb_png, short, text, tiff

ENDINGS = (".png", ".jpg", ".tif", ".webp", ".avif", ".jxl")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
pytestmark = pytest.mark.skipif(not shutil.which("exiftool"), reason="needs exiftool (Debian: libimage-exiftool-perl)")

# How pixels are stored, which is the writer's own affair; and what exiftool computes.
STORAGE = {
    "SourceFile", "FileType", "FileTypeExtension", "MIMEType", "ImageWidth", "ImageHeight", "BitsPerSample", "BitDepth",
    "ColorType", "Compression", "Filter", "Interlace", "EncodingProcess", "ColorComponents", "YCbCrSubSampling",
    "ExifByteOrder", "PhotometricInterpretation", "StripOffsets", "SamplesPerPixel", "RowsPerStrip", "StripByteCounts",
    "PlanarConfiguration", "SampleFormat", "Predictor", "ExtraSamples", "VP8Version", "HorizontalScale",
    "VerticalScale", "WebP_Flags", "AlphaIsUsed", "Orientation", "ExifImageWidth", "ExifImageHeight", "JFIFVersion",
    "SubfileType", "CurrentIPTCDigest", "PixelUnits", "PixelsPerUnitX", "PixelsPerUnitY", "ResolutionUnit",
    "ThumbnailOffset", "ProfileName", "DCTEncodeVersion", "APP14Flags0", "APP14Flags1", "ColorTransform", "Warning",
    "HasExtendedXMP", "PreviewImageStart", "PreviewImageLength", "GIFVersion", "HasColorMap", "ColorResolutionDepth",
    "BitsPerPixel", "BMPVersion", "Planes", "ImageLength", "NumColors", "NumImportantColors", "ColorSpace",
    "ProfileDataOffset", "ProfileSize",
}  # fmt: skip
ELSEWHERE = ("System", "File", "ExifTool", "Composite", "QuickTime")
DOTS = {"XResolution", "YResolution"}
# What a notice about a missing tag must say, by exiftool's group.
WORDS = {
    "IPTC": "IPTC", "Photoshop": "Photoshop", "MPF": "several pictures", "XMP-hdrgm": "gain map", "ICC": "profile",
    "XMP-GContainer": "beside the picture", "XMP-Container": "beside the picture", "XMP-GCamera": "film",
    "XMP-Item": "beside the picture", "XMP-C:Directory": "beside the picture", "PixelScale": "georeference",
    "DNGVersion": "DNG", "IFD1": "thumbnail", "Unknown_abcd": "abcd",
    "GIF:BackgroundColor": "palette", "PNG-cICP": "cICP", "Ducky": "Ducky",
}  # fmt: skip


def seen(path: Path) -> dict[str, Any]:
    """List all that exiftool sees: group:name → value; unknown tags as well. Of a JPEG XL, in the JPEG within."""
    if path.suffix == ".jxl":
        path = path.with_suffix(".within.jpg")
        path.write_bytes(imagecodecs.jpegxl_decode_jpeg(path.with_name("result.jxl").read_bytes(), numthreads=1))
    told = subprocess.run(
        ["exiftool", "-j", "-G0:1", "-a", "-u", "-n", "-struct", "-b", str(path)], capture_output=True, check=False
    )
    found: dict[str, Any] = json.loads(told.stdout)[0]
    return {
        name: value for name, value in found.items()
        if name.split(":")[0] not in ELSEWHERE or name.endswith(":Comment")
    }  # fmt: skip


def missing(before: dict[str, Any], after: dict[str, Any], notices: list[str]) -> list[str]:
    """Return what is neither in the result nor in the notices."""
    values: dict[str, list[Any]] = {}
    for name, value in after.items():
        values.setdefault(name.split(":")[-1], []).append(value)
    told = " ".join(notices).lower()
    lost = []
    for name, value in before.items():
        group, tag = name.split(":")[-2] if ":" in name else "", name.split(":")[-1]
        if tag in STORAGE or (tag in DOTS and (value == 1 or {tag, "PixelsPerUnitX"} & set(values))):
            continue
        if value in values.get(tag, []):
            continue
        tag = tag.partition("-")[0]  # without the language
        word = next((word for part, word in WORDS.items() if part in name), tag)
        if word.lower() not in told and not (
            group == "PNG" and tag in NAMES_OF_CHUNKS and NAMES_OF_CHUNKS[tag].lower() in told
        ):
            lost.append(f"{name} = {str(value)[:60]}")
    return lost


NAMES_OF_CHUNKS = {"Gamma": "gAMA", "SRGBRendering": "sRGB", "SignificantBits": "sBIT", "ModifyDate": "tIME",
                   "BackgroundColor": "bKGD", "WhitePointX": "cHRM"}  # fmt: skip
WORDS_OF_CAMERA: list[Value] = [
    text(270, "日本の写真"), text(271, "Camera & Co"), text(272, "Model Ö"), text(315, "Jörg Müller"),
    text(33432, "© 2024 Jörg Müller"), text(269, "a document"), text(305, "Software 1.0"), short(18246, 5),
    short(18249, 99), (40091, 1, 12, "Titel\0".encode("utf-16-le")), (40094, 1, 20, "Ein Wort.\0".encode("utf-16-le")),
    (0xC4A5, 7, 16, b"PrintIM\0" + b"0300" + bytes(4)),
]  # fmt: skip
INSIDE: list[Value] = [
    (0x829A, 5, 1, struct.pack("<II", 1, 250)), text(0x9003, "2020:01:02 03:04:05"), text(0x9010, "+01:00"),
    (0x9286, 7, 13, b"UNICODE\0" + "Grüße".encode("utf-16-le")[:5]), text(0xA433, "Lens Öl"), text(0xA434, "50mm"),
    short(0xA001, 1), long(0xA002, 56), long(0xA003, 40), (0xA430, 2, 6, "Jörg\0".encode()),
]  # fmt: skip
GPS: list[Value] = [
    text(1, "S"), (2, 10, 3, struct.pack("<6i", -33, 1, -51, 1, -20, 1)), text(3, "W"),
    (4, 12, 3, struct.pack("<3d", 70, 30, 10.5)), (6, 11, 1, struct.pack("<f", -5.5)),
]  # fmt: skip
BLOCK = exif([*WORDS_OF_CAMERA, short(274, 6)], INSIDE, GPS)
BIG_ENDIAN = exif([text(271, "Camera"), short(18246, 4, order=">")], [text(0x9003, "2020:01:02 03:04:05")], order=">")
ODD = exif([text(271, "Camera"), (282, 5, 1, bytes(8)), (283, 5, 1, bytes(8)), text(315, b"J\xf6rg")])
PACKET = XMP % (b'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"', b"<dc:source>here</dc:source>")
LONG_PACKET = XMP % (b"", b"<dc:source>" + b"history " * 9000 + b"</dc:source>")
RESOURCES = iptc((25, b"holiday"), (120, b"A caption"), (80, b"Me"))
GAIN_MAP = XMP % (b'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0" dc:format="image/jpeg"',
    b'<C:Directory xmlns:C="http://ns.google.com/photos/1.0/container/" '
    b'xmlns:I="http://ns.google.com/photos/1.0/container/item/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Seq><rdf:li rdf:parseType="Resource"><C:Item I:Semantic="Primary" I:Mime="image/jpeg"/></rdf:li></rdf:Seq>'
    b"</C:Directory>")  # fmt: skip
FILM = XMP % (b'xmlns:G="http://ns.google.com/photos/1.0/camera/" G:MotionPhoto="1" G:MicroVideoOffset="99"', b"")


def app(block: bytes) -> tuple[int, bytes]:
    return 0xE1, b"Exif\0\0" + block


def packet(xmp: bytes) -> tuple[int, bytes]:
    return 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp


def extended() -> list[tuple[int, bytes]]:
    name = b"0123456789ABCDEF0123456789ABCDEF"
    note = b'xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="%s"' % name
    whole = XMP % (b'xmlns:e="http://ns.example.com/e/"', b"<e:text>" + b"A" * 90_000 + b"</e:text>")
    parts = [(start, whole[start : start + 60_000]) for start in range(0, len(whole), 60_000)]
    mark = b"http://ns.adobe.com/xmp/extension/\0" + name
    return [packet(XMP % (note, b"<dc:format>image/jpeg</dc:format>"))] + [
        (0xE1, mark + struct.pack(">II", len(whole), start) + part) for start, part in parts
    ]


def webp(**options: Any) -> bytes:
    import io

    file = io.BytesIO()
    Image.fromarray(picture()).save(file, options.pop("kind", "WEBP"), **options)
    return file.getvalue()


def unannounced_webp() -> bytes:
    """Write a WebP whose header tells of XMP alone; EXIF and profile are there nevertheless."""
    whole = webp(xmp=PACKET)
    more = [(b"EXIF", BLOCK), (b"ICCP", SRGB), (b"abcd", b"something"), (b"abcd", b"again")]
    body = whole[8:] + b"".join(
        name + struct.pack("<I", len(each)) + each + b"\0" * (len(each) % 2) for name, each in more
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif() -> bytes:
    contents = webp(kind="GIF", comment=b"a comment")
    place = 13 + 3 * (2 << (contents[10] & 7))
    blocks = b"".join(bytes([len(part)]) + part for part in (SRGB[at : at + 255] for at in range(0, len(SRGB), 255)))
    added = b"!\xff\x0bICCRGBG1012" + blocks + b"\0!\xff\x0bSOMETHING10\2hi\0"
    added += b"!\xff\x0bXMP DataXMP" + PACKET + b"\1" + bytes(range(255, -1, -1)) + b"\0"
    return contents[:place] + added + contents[place:]


def bmp(space: bytes) -> bytes:
    """Write a BMP whose header is of version 5, with a profile behind the pixels, or with primaries in the header."""
    rows = picture()[::-1, :, ::-1].tobytes()
    head = struct.pack("<IiiHHIIiiII", 124, 56, 40, 1, 24, 0, len(rows), 11811, 11811, 0, 0) + bytes(16) + space
    head += struct.pack("<9I", *[1 << 29] * 9) + struct.pack("<3I", *[1 << 16] * 3)
    head += struct.pack("<IIII", 4, 124 + len(rows), len(SRGB), 0)
    return b"BM" + struct.pack("<IHHI", 138 + len(rows) + len(SRGB), 0, 0, 138) + head + rows + SRGB


def made_of_png() -> bytes:
    return rgb_png(
        chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"sRGB", b"\0"), chunk(b"sBIT", b"\5\6\5"),
        chunk(b"iCCP", b"a name\0\0" + zlib.compress(SRGB)), chunk(b"bKGD", struct.pack(">3H", 1, 2, 3)),
        chunk(b"pHYs", struct.pack(">IIB", 11811, 11811, 1)), chunk(b"tIME", struct.pack(">H5B", 2024, 1, 2, 3, 4, 5)),
        chunk(b"tEXt", b"Title\0a title"), chunk(b"zTXt", b"Author\0\0" + zlib.compress(b"somebody")),
        chunk(b"iTXt", b"Description\0\0\0de\0\0" + "Grüße".encode()), chunk(b"eXIf", BLOCK),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + PACKET),
    )  # fmt: skip


FILES: dict[str, bytes] = {
    "all.png": made_of_png(),
    "cicp.png": rgb_png(chunk(b"cICP", bytes([9, 16, 0, 1]))),
    "gama.png": rgb_png(chunk(b"gAMA", struct.pack(">I", 100_000))),
    "long.png": rgb_png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + LONG_PACKET)),
    "odd.png": rgb_png(chunk(b"eXIf", ODD)),
    "raw.png": rgb_png(chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(
        b"\niptc\n%8d\n%s\n" % (len(RESOURCES), RESOURCES.hex().encode())))),
    "all.jpg": jpeg(None, app(BLOCK), packet(PACKET), (0xED, b"Photoshop 3.0\0" + RESOURCES), (0xFE, b"a comment"),
                    (0xEC, b"Ducky\0\1\0\4\0\0\0\x3c\0\0"), icc_profile=SRGB, dpi=(300, 300)),
    "big-endian.jpg": jpeg(None, app(BIG_ENDIAN)),
    "odd.jpg": jpeg(None, app(ODD)),
    "extended.jpg": jpeg(None, *extended()),
    "gain-map.jpg": jpeg(None, packet(GAIN_MAP), (0xE2, b"MPF\0II*\0\x08" + bytes(9)), behind=jpeg(picture(8, 8))),
    "film.jpg": jpeg(None, packet(FILM), behind=bytes(range(1, 100))),
    "resources.jpg": jpeg(None, (0xED, b"Photoshop 3.0\0" + RESOURCES + b"8BIM\4\x0c\0\0\0\0\0\4\0\1\2\3")),
    "several.jpg": jpeg(None, (0xE1, b"Exif\0\0" + (block := exif([text(271, "Cam")], [(0x927C, 7, 100_000, bytes(
        range(250)) * 400)]))[:60_000]), (0xE1, b"Exif\0\0" + block[60_000:])),
    "all.tif": tiff(picture(), *WORDS_OF_CAMERA, (700, 1, len(PACKET), PACKET), (34675, 7, len(SRGB), SRGB),
                    (34377, 1, len(RESOURCES), RESOURCES), (282, 5, 1, struct.pack("<II", 300, 1)),
                    (283, 5, 1, struct.pack("<II", 300, 1)), short(296, 2), (50706, 1, 4, bytes(4)),
                    (33550, 12, 3, bytes(24)), (65000, 2, 8, b"private\0")),
    "records.tif": tiff(picture(), (33723, 7, len(RESOURCES) - 12, RESOURCES[12:])),
    "all.psd": psd(picture(), 3, (1005, struct.pack(">IHHIHH", 300 << 16, 1, 2, 300 << 16, 1, 2)), (1039, SRGB),
                   (1028, RESOURCES[12:]), (1058, BLOCK), (1060, PACKET), (1036, bytes(28) + jpeg(picture(8, 8))),
                   (1050, bytes(40)), (1044, bytes(4)), layers=2),
    "all.heic": (Path(__file__).parent / "heic" / "all.heic").read_bytes(),
    "all.webp": webp(exif=b"Exif\0\0" + BLOCK, xmp=PACKET, icc_profile=SRGB),
    "unannounced.webp": unannounced_webp(),
    "all.gif": gif(),
    "profile.bmp": bmp(b"DEBM"),
    "primaries.bmp": bmp(bytes(4)),
    "mark.png": rgb_png(chunk(b"eXIf", b"Exif\0\0" + BLOCK)),
    "geo.jpg": jpeg(None, app(exif([text(271, "Camera"), (33550, 12, 3, bytes(24)), short(297, 1, 2)]))),
    "all.avif": webp(kind="AVIF", exif=b"Exif\0\0" + exif(WORDS_OF_CAMERA, INSIDE, GPS), xmp=PACKET, icc_profile=SRGB),
}  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", FILES)
def test_what_a_file_says_is_kept_or_named(tmp_path: Path, name: str, ending: str) -> None:
    source, target = tmp_path / name, tmp_path / f"result{ending}"
    source.write_bytes(FILES[name])
    photo = read_photo(source, name)
    notices = save_photo(photo.enlarged(bytes(4 * photo.samples.nbytes), photo.size.enlarged()), target)
    before, after = seen(source), seen(target)
    assert missing(before, after, notices) == []
    assert not [value for tag, value in after.items() if "Error" in tag]


def test_exif_is_kept_byte_for_byte_but_for_sizes_and_orientation(tmp_path: Path) -> None:
    block = exif([*WORDS_OF_CAMERA, short(274, 1)], INSIDE, GPS)
    for ending in (".jpg", ".png", ".webp"):
        source = rgb_png(chunk(b"eXIf", block))
        target = tmp_path / f"result{ending}"
        save_photo(read_photo(source, "it"), target)
        assert block in target.read_bytes()  # the size is as it was
    save_photo(read_photo(source, "it"), tmp_path / "result.avif")
    assert block[-90:] in (tmp_path / "result.avif").read_bytes()  # all but the orientation's entry


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_exif_tells_of_size_and_orientation_is_made_true(tmp_path: Path, ending: str) -> None:
    block = exif([short(274, 6), text(271, "Camera")], [long(0xA002, 56), short(0xA003, 40)])
    target = tmp_path / f"result{ending}"
    save_photo(read_photo(jpeg(None, app(block)), "it"), target)
    found = seen(target)
    told = {name.split(":")[-1]: value for name, value in found.items()}
    assert (told["ExifImageWidth"], told["ExifImageHeight"], told.get("Orientation", 1)) == (40, 56, 1)
    assert read_photo(target, "it").samples.shape == (56, 40, 3)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "entry", [(274, 1, 1, b"\6"), (274, 3, 2, b"\6\0\1\0"), long(274, 6), (274, 3, 3, bytes([6, 0] * 3))]
)
def test_an_orientation_of_any_type_is_applied_once(tmp_path: Path, ending: str, entry: Value) -> None:
    target = tmp_path / f"result{ending}"
    photo = read_photo(rgb_png(chunk(b"eXIf", exif([entry, text(271, "Camera")]))), "it")
    assert photo.samples.shape == (56, 40, 3)
    save_photo(photo, target)
    assert {value for name, value in seen(target).items() if name.endswith(":Orientation")} <= {1}
    assert read_photo(target, "it").samples.shape == (56, 40, 3)


def with_thumbnail(orientation: int) -> bytes:
    small = jpeg(picture(8, 8))
    block = exif([short(274, orientation), text(271, "Camera")])
    block += b"\0" * (len(block) % 2)
    second = len(block)
    count = struct.unpack_from("<H", block, 8)[0]
    place = 8 + 2 + 12 * count
    block = block[:place] + struct.pack("<I", second) + block[place + 4 :]
    entries = struct.pack("<HHHIIHHII", 2, 513, 4, 1, second + 30, 514, 4, 1, len(small)) + bytes(4)
    return block + entries + small


@pytest.mark.parametrize(("ending", "orientation", "kept"), [
    (".jpg", 1, True), (".png", 1, True), (".webp", 1, True), (".jpg", 6, False), (".tif", 1, False),
])  # fmt: skip
def test_a_thumbnail_is_kept_unless_it_would_lie_on_its_side(
    tmp_path: Path, ending: str, orientation: int, kept: bool
) -> None:
    target = tmp_path / f"result{ending}"
    notices = save_photo(read_photo(jpeg(None, app(with_thumbnail(orientation))), "it"), target)
    assert any(name.endswith("ThumbnailImage") for name in seen(target)) == kept
    assert any("thumbnail" in notice for notice in notices) == (not kept)
    assert jpeg(picture(8, 8)) not in target.read_bytes() or kept or ending == ".tif"


def test_no_xmp_points_at_a_gain_map_or_film_that_is_gone(tmp_path: Path) -> None:
    for name in ("gain-map.jpg", "film.jpg"):
        target = tmp_path / name
        save_photo(read_photo(FILES[name], "it"), target)
        contents = target.read_bytes()
        for word in (b"hdrgm:", b"Directory", b"MotionPhoto", b"MicroVideo"):
            assert word not in contents.replace(b"xmlns:hdrgm", b"")
        assert not subprocess.run(["exiftool", "-validate", "-warning", "-s3", str(target)], capture_output=True,
                                  check=False).stdout.count(b"XML")  # fmt: skip


def test_a_part_of_extended_xmp_that_is_missing_is_told() -> None:
    photo = read_photo(jpeg(None, *extended()[:-1]), "it")
    assert photo.notices == ["Extended XMP was left out: it is damaged, or a part of it is missing."]
    assert photo.xmp is not None
    assert b"HasExtendedXMP" not in photo.xmp
    assert b"image/jpeg" in photo.xmp


@pytest.mark.parametrize("value", [bytes(8), struct.pack("<II", 300, 0), struct.pack("<II", 0xFFFFFFFF, 1)])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_resolution_that_means_nothing_stops_nothing(tmp_path: Path, ending: str, value: bytes) -> None:
    block = exif([(282, 5, 1, value), (283, 5, 1, value), short(296, 2)])
    photo = read_photo(rgb_png(chunk(b"eXIf", block)), "it")
    assert photo.dpi is None
    save_photo(photo, tmp_path / f"result{ending}")


@pytest.mark.parametrize("ending", ENDINGS)
def test_exif_that_cannot_be_followed_stops_nothing(tmp_path: Path, ending: str) -> None:
    random = np.random.default_rng(0)
    for length in range(0, len(BLOCK), 7):
        damaged = bytearray(BLOCK[: length or 1])
        for _ in range(3):
            damaged[random.integers(len(damaged))] ^= int(random.integers(1, 256))
        photo = read_photo(jpeg(picture(8, 8), app(bytes(damaged))), "it")
        save_photo(photo, tmp_path / f"{length}{ending}")
