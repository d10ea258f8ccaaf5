"""JPEG XL, there and back: pixels of every kind, colours, words; what cannot be kept is named."""

from __future__ import annotations

import importlib
import importlib.util
import io
import shutil
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from server.errors import NotAnImage, TooLarge, WrongParameter
from server.images.files import read_photo, write_photo
from server.images.formats import jxl_boxes, jxl_colours, jxl_header
from server.images.metadata import exif, icc
from server.images.photo import Photo
from tests.server.file_kinds import XMP, jpeg, picture, short, text
from tests.server.file_kinds import exif as exif_block

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
P3 = icc.of_cicp(bytes([12, 13, 0, 1]), 3)
GREY_GAMMA = icc.of_gamma(1.8, None, 1)
needs_codecs = pytest.mark.skipif(not importlib.util.find_spec("imagecodecs"), reason="needs imagecodecs")


def call(function: str, *given: Any, **options: Any) -> Any:
    return getattr(importlib.import_module("imagecodecs"), function)(*given, **options)


def written(photo: Photo) -> tuple[bytes, list[str]]:
    file = io.BytesIO()
    return (file, write_photo(photo, file, "JXL"))[0].getvalue(), []


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, name) + body


def floats(count: int, dtype: Any) -> NDArray[Any]:
    return ((picture(count=count) / 255).astype(np.float32) * 3 - 1).astype(dtype)


@needs_codecs
@pytest.mark.parametrize("samples", [
    picture(count=2), picture(count=4), *(picture(count=count, white=65535) for count in (1, 2, 3, 4)),
    floats(3, np.float32), floats(4, np.float16), floats(1, np.float32),
], ids=lambda samples: f"{samples.shape[2]} {samples.dtype}")  # fmt: skip
@pytest.mark.parametrize("profile", ["none", "its own"])
def test_alpha_and_depth_are_kept_without_loss_and_so_are_words(samples: NDArray[Any], profile: str) -> None:
    own = GREY_GAMMA if samples.shape[2] <= 2 else P3
    block = exif_block([text(271, "Camera")])
    given = Photo(samples, icc=own if profile == "its own" else None, exif=block, xmp=b"<x/>", dpi=(300.0, 300.0))
    file = io.BytesIO()
    notices = write_photo(given, file, "JXL")
    photo = read_photo(file.getvalue(), "it")
    assert photo.samples.dtype == samples.dtype
    assert np.array_equal(photo.samples, samples)
    assert (photo.xmp, photo.dpi, notices) == (b"<x/>", (300.0, 300.0), [])
    assert photo.exif is not None
    assert b"Camera" in photo.exif
    if profile == "none":
        assert (photo.icc, photo.notices) == (None, [])
    else:  # it is in the file, but imagecodecs does not tell it
        header = jxl_header.read(jxl_boxes.codestream_of(jxl_boxes.of(file.getvalue())))
        assert header.colours.has_profile
        assert "The colour profile was left out" in photo.notices[0]


@needs_codecs
@pytest.mark.parametrize("is_grey", [False, True])
def test_the_headers_that_a_profile_is_tried_behind_end_at_every_bit_of_a_byte(is_grey: bool) -> None:
    ends = {
        jxl_header.read(jxl_colours._encoded(jxl_colours._flat(size, is_grey, dtype))).place_of_colours[0] % 8
        for size in jxl_colours.SIZES for dtype in (np.uint8, np.uint16)
    }  # fmt: skip
    assert ends == set(range(8))


@needs_codecs
def test_linear_light_without_a_profile_stays_linear() -> None:
    file = io.BytesIO()
    write_photo(Photo(floats(3, np.float32), is_linear=True), file, "JXL")
    photo = read_photo(file.getvalue(), "it")
    assert np.array_equal(photo.samples, floats(3, np.float32))
    assert photo.pixel_format.transfer == "linear"


@needs_codecs
@pytest.mark.parametrize("count", [1, 3])
def test_eight_bits_are_written_as_a_jpeg_within_that_keeps_everything(count: int) -> None:
    profile = GREY_GAMMA if count == 1 else P3
    given = Photo(
        picture(count=count), icc=profile, exif=exif_block([text(271, "Camera")]), xmp=b"<x/>", dpi=(300.0, 300.0),
        photoshop=b"8BIM\4\4\0\0\0\0\0\0", comments=[b"hello"], segments=[(0xEC, b"Ducky\0")],
    )  # fmt: skip
    within, file = io.BytesIO(), io.BytesIO()
    write_photo(given, within, "JPEG")
    told = "Kept in the JPEG that the file holds, where few programs look: IPTC, comments, JPEG's further segments."
    assert write_photo(given, file, "JXL") == [told]
    assert bytes(call("jpegxl_decode_jpeg", file.getvalue(), numthreads=1)) == within.getvalue()
    assert b"brob" not in file.getvalue()
    photo, expected = read_photo(file.getvalue(), "it"), read_photo(within.getvalue(), "it")
    assert np.array_equal(photo.samples, expected.samples)
    assert vars(photo) | {"samples": 0} == vars(expected) | {"samples": 0}


@needs_codecs
@pytest.mark.skipif(not shutil.which("exiftool"), reason="needs exiftool")
@pytest.mark.parametrize("white", [255, 65535])
def test_other_programs_see_exif_and_xmp(white: int, tmp_path: Path) -> None:
    block, packet = exif_block([text(271, "Camera"), text(315, "Me")]), XMP % (b"", b"<dc:source>here</dc:source>")
    with (tmp_path / "it.jxl").open("w+b") as file:
        write_photo(Photo(picture(white=white), exif=block, xmp=packet), file, "JXL")
    seen = subprocess.run(["exiftool", "-s3", "-Make", "-Artist", "-Source", str(tmp_path / "it.jxl")],
                          capture_output=True, text=True, check=True).stdout.split()  # fmt: skip
    assert seen == ["Camera", "Me", "here"]


@needs_codecs
def test_a_turned_picture_is_upright_once_whether_it_was_a_jpeg_or_not() -> None:
    contents = jpeg(picture(40, 56), (0xE1, b"Exif\0\0" + exif_block([short(274, 6), text(271, "Camera")])))
    whole = bytes(call("jpegxl_encode_jpeg", contents))
    alone = b"".join(box(*each) for each in jxl_boxes.of(whole) if each[0] != b"jbrd")
    expected = read_photo(contents, "it").samples
    for each, most in ((whole, 0), (alone, 3)):
        photo = read_photo(each, "it")
        assert np.abs(photo.samples.astype(int) - expected).mean() <= most
        assert exif.orientation(photo.exif) == 1


@needs_codecs
@pytest.mark.parametrize("primaries", [b"8P3", b"custom"])
def test_numbers_that_tell_the_colours_become_a_profile(primaries: bytes) -> None:
    def bits(*fields: tuple[int, int]) -> tuple[int, int]:
        value, length = 0, 0
        for number, count in fields:
            value, length = value | number << length, length + count
        return value, length

    small = call("jpegxl_encode", picture(), lossless=True)
    header = jxl_header.read(small)
    start, end = header.place_of_colours
    enum = lambda number: ((2, 2), (number - 2, 4))  # noqa: E731
    head = [(0, 1), (0, 1), (0, 2), (1, 2)]  # not sRGB, no profile, RGB, D65
    if primaries == b"8P3":
        fields = [*head, *enum(11), (0, 1), *enum(13), (0, 2)]
    else:
        points: list[tuple[int, int]] = []
        for value in (0.64, 0.33, 0.21, 0.71, 0.15, 0.06):
            packed = round(value * 2e6)
            which = 0 if packed < 524288 else 1 if packed < 1048576 else 2
            points += [(which, 2), (packed - (0, 524288, 1048576)[which], 20 if which == 2 else 19)]
        fields = [*head, *enum(2), *points, (1, 1), (4545454, 24), (0, 2)]
    value, length = bits(*fields)
    whole = int.from_bytes(small[: -(-header.end // 8)], "little")
    patched = whole & ((1 << start) - 1) | value << start
    patched |= (whole >> end & ((1 << header.end - end) - 1)) << start + length
    new_end = start + length + header.end - end
    contents = patched.to_bytes(-(-new_end // 8), "little") + small[-(-header.end // 8) :]
    photo = read_photo(contents, "it")
    assert np.array_equal(photo.samples, picture())
    assert photo.notices == []
    expected = P3 if primaries == b"8P3" else icc.of_gamma(2.2, (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06), 3)
    assert photo.icc is not None
    assert expected is not None
    assert len(photo.icc) == len(expected)
    differences = np.frombuffer(photo.icc, np.uint8).astype(int) - np.frombuffer(expected, np.uint8)
    assert (differences != 0).sum() < 12  # the last digits of fixed-point numbers


@needs_codecs
@pytest.mark.parametrize("bits", [1, 5, 10, 12])
def test_fewer_bits_are_stretched_to_the_whole_range(bits: int) -> None:
    samples = picture(white=(1 << bits) - 1).astype(np.uint8 if bits <= 8 else np.uint16)
    photo = read_photo(call("jpegxl_encode", samples, lossless=True, bitspersample=bits), "it")
    assert (photo.samples.min(), photo.samples.max()) == (0, 255 if bits <= 8 else 65535)


@needs_codecs
def test_boxes_that_are_not_known_or_damaged_are_named() -> None:
    codestream = call("jpegxl_encode", picture(), lossless=True)
    boxes = (b"jumb", b"x"), (b"abcd", b"x"), (b"brob", b"Exif" + bytes(9)), (b"jxlc", codestream)
    photo = read_photo(jxl_boxes.CONTAINER + b"".join(box(*each) for each in boxes), "it")
    assert photo.notices == [
        "JPEG XL's content credentials (JUMBF) was left out.", "JPEG XL's box abcd was left out.",
        "JPEG XL's Exif was left out: it is damaged, or larger than 16 MB.",
    ]  # fmt: skip


@needs_codecs
def test_a_box_that_brotli_would_unpack_to_gigabytes_is_left_out() -> None:
    packed = bytes(call("brotli_encode", bytes(40 << 20)))
    codestream = call("jpegxl_encode", picture(), lossless=True)
    contents = jxl_boxes.CONTAINER + box(b"brob", b"xml " + packed) + box(b"jxlc", codestream)
    tracemalloc.start()
    photo = read_photo(contents, "it")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert photo.xmp is None
    assert "xml was left out: it is damaged, or larger than 16 MB." in photo.notices[0]
    assert most < 40 << 20


@needs_codecs
def test_the_first_picture_of_an_animation_is_told() -> None:
    frames = np.stack([picture(), picture()[::-1]])
    photo = read_photo(call("jpegxl_encode", frames, lossless=True), "it")
    assert np.array_equal(photo.samples, picture())
    assert photo.notices == ["Only the first picture of the animation is enlarged."]


def test_sizes_beyond_the_limit_are_refused_by_the_header_alone() -> None:
    # 2^30 pixels each way, and sRGB
    value, length = 0xFF | 0x0A << 8, 16
    for number, count in ((0, 1), (3, 2), ((1 << 30) - 1, 30), (1, 3), (1, 1), (1, 1)):
        value, length = value | number << length, length + count
    contents = value.to_bytes(-(-length // 8), "little") + bytes(50)
    boxed = box(b"jxlc", contents)
    for each in (contents, jxl_boxes.CONTAINER + boxed, jxl_boxes.CONTAINER + box(b"jbrd", b"") + boxed):
        with pytest.raises(TooLarge, match="1073741824×1073741824"):
            read_photo(each, "it", 1_000_000)


def test_without_imagecodecs_the_sentences_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    contents = bytes.fromhex("ff0a090c88040804010029652b598991")
    with pytest.raises(NotAnImage, match=r'is JPEG XL; reading it needs the package imagecodecs .pip install "neural'):
        read_photo(contents, "it")
    with pytest.raises(WrongParameter, match="Writing JPEG XL needs the package imagecodecs"):
        write_photo(Photo(picture()), io.BytesIO(), "JXL")


@needs_codecs
def test_shorter_and_damaged_files_are_refused_or_read() -> None:
    file, random = io.BytesIO(), np.random.default_rng(0)
    write_photo(Photo(picture(count=4), icc=P3, exif=exif_block([text(271, "Camera")])), file, "JXL")
    for contents in (file.getvalue(), bytes(call("jpegxl_encode_jpeg", jpeg(None, icc_profile=SRGB)))):
        for length in range(2, len(contents), 37):
            damaged = bytearray(contents)
            damaged[length] ^= int(random.integers(1, 256))
            for each in (contents[:length], bytes(damaged)):
                try:
                    assert read_photo(each, "it", 1_000_000).samples.size
                except (NotAnImage, TooLarge):
                    continue


def test_pillow_is_not_asked_for_jpeg_xl() -> None:
    assert ".jxl" not in Image.registered_extensions()
