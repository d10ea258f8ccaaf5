"""Image files: depth, transparency, profile, EXIF, XMP, resolution; what cannot be kept is said."""

from __future__ import annotations

import io
import lzma
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin

from server.errors import NotAnImage, TooLarge, WrongParameter
from server.images.files import format_of, read_photo, write_photo
from server.images.formats import png16
from server.images.metadata import icc
from server.images.photo import Photo, turn_upright
from server.images.saving import save_photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6" dc:creator="somebody"/></x:xmpmeta>'
RANDOM = np.random.default_rng(0)


def samples_of(depth: str, count: int, height: int = 7, width: int = 9) -> NDArray[Any]:
    if depth.startswith("f"):
        return RANDOM.uniform(-0.5, 4, (height, width, count)).astype({"f16": np.float16, "f32": np.float32}[depth])
    white = 255 if depth == "u8" else 65535
    return RANDOM.integers(0, white + 1, (height, width, count)).astype(np.uint8 if depth == "u8" else np.uint16)


def encoded(photo: Photo, kind: str) -> tuple[bytes, list[str]]:
    file = io.BytesIO()
    notices = write_photo(photo, file, kind)
    return file.getvalue(), notices


def as_file(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize(("kind", "depth"), [("PNG", "u8"), ("PNG", "u16"), ("TIFF", "u8"), ("TIFF", "u16"),
                                            ("TIFF", "f16"), ("TIFF", "f32")])  # fmt: skip
def test_lossless_formats_give_back_every_sample(kind: str, depth: str, count: int) -> None:
    upright = XMP.replace(b'"6"', b'"1"')  # Pillow heeds it where there is no EXIF
    photo = Photo(samples_of(depth, count), dpi=(300.0, 300.0), xmp=upright)
    contents, notices = encoded(photo, kind)
    again = read_photo(contents, "it")
    assert again.samples.dtype == photo.samples.dtype
    assert np.array_equal(again.samples, photo.samples)
    assert again.dpi == pytest.approx((300, 300), abs=0.01)
    assert again.xmp is not None
    assert b"somebody" in again.xmp
    assert notices == []


@pytest.mark.parametrize(("kind", "depth"), [("PNG", "u8"), ("PNG", "u16"), ("JPEG", "u8"), ("TIFF", "u8"),
                                            ("TIFF", "u16"), ("WEBP", "u8")])  # fmt: skip
def test_the_colour_profile_is_kept(kind: str, depth: str) -> None:
    contents, _ = encoded(Photo(samples_of(depth, 3), icc=SRGB), kind)
    assert read_photo(contents, "it").icc == SRGB


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_exif_xmp_and_resolution_are_kept_and_the_orientation_applied_once(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    exif.get_ifd(0x8769)[0xA002] = 9
    exif[0x8769] = exif.get_ifd(0x8769)  # else Pillow leaves it out of a TIFF
    options: dict[str, Any] = {"exif": exif, "dpi": (240, 240)}
    if kind == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", XMP.decode())
        options["pnginfo"] = text
    elif kind in ("JPEG", "WEBP"):
        options["xmp"] = XMP
    if kind == "WEBP":  # it has no other place for a resolution
        exif[282], exif[283], exif[296] = 240, 240, 2
    picture = Image.fromarray(samples_of("u8", 3))
    photo = read_photo(as_file(picture, kind, **options), "it")
    assert photo.size.width == 7
    assert photo.size.height == 9
    again = Image.open(io.BytesIO(encoded(photo, kind)[0]))
    assert again.size == (7, 9)
    found = again.getexif()
    assert found.get(0x0112, 1) == 1
    assert found[0x010F] == "Camera"
    assert found.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
    assert found.get_ifd(0x8769)[0xA002] == 7  # what the result has, not what the file said
    assert read_photo(encoded(photo, kind)[0], "it").dpi == pytest.approx((240, 240), abs=0.1)
    if kind != "TIFF":
        assert b'tiff:Orientation="1"' in again.info["xmp"]


@pytest.mark.parametrize(("kind", "depth"), [("PNG", "u16"), ("TIFF", "u16"), ("TIFF", "f16"), ("TIFF", "f32")])
def test_deep_files_keep_profile_exif_xmp_and_resolution_too(tmp_path: Path, kind: str, depth: str) -> None:
    """And are turned upright once: what is written is read again as it lies."""
    exif = Image.Exif()
    exif[0x010F], exif[0x013B] = "Camera", "Somebody"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:02 03:04:05"
    exif.get_ifd(0x8769)[0x829A] = 1 / 250
    exif.get_ifd(0x8825)[0x0001] = "N"
    exif[0x8769], exif[0x8825] = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    upright = XMP.replace(b'"6"', b'"1"')
    photo = Photo(samples_of(depth, 3), SRGB, block, upright, (240.0, 240.0))
    path = tmp_path / f"photo.{kind.lower()}"
    assert save_photo(photo, path) == []
    again = read_photo(path, "it")
    assert np.array_equal(again.samples, photo.samples)
    assert again.icc == SRGB
    assert again.xmp is not None
    assert b"somebody" in again.xmp
    assert again.dpi == pytest.approx((240, 240), abs=0.1)
    assert again.exif is not None
    found = Image.Exif()
    found.load(b"Exif\0\0" + again.exif)
    assert (found[0x010F], found[0x013B], found.get(0x0112, 1)) == ("Camera", "Somebody", 1)
    assert found.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
    assert float(found.get_ifd(0x8769)[0x829A]) == pytest.approx(1 / 250)
    assert found.get_ifd(0x8825)[0x0001] == "N"
    second = tmp_path / f"again.{kind.lower()}"
    assert save_photo(again, second) == []
    assert read_photo(second, "it").exif == again.exif


def test_a_deep_tiff_that_lies_on_its_side_is_turned_once() -> None:
    samples, file = samples_of("u16", 3), io.BytesIO()
    tifffile.imwrite(file, samples, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    photo = read_photo(file.getvalue(), "it")
    assert np.array_equal(photo.samples, turn_upright(samples, 6))
    assert np.array_equal(read_photo(encoded(photo, "TIFF")[0], "it").samples, photo.samples)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(orientation: int) -> None:
    from PIL import ImageOps

    samples = samples_of("u8", 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.open(io.BytesIO(as_file(Image.fromarray(samples), "PNG", exif=exif)))
    assert np.array_equal(turn_upright(samples, orientation), np.asarray(ImageOps.exif_transpose(image)))


def test_a_palette_is_converted_and_its_transparency_kept() -> None:
    image = Image.fromarray(samples_of("u8", 3)).quantize(8)
    photo = read_photo(as_file(image, "PNG", transparency=0), "it")
    assert photo.pixel_format.layout == "RGBA"
    assert any("palette" in notice for notice in photo.notices)
    with Image.open(io.BytesIO(as_file(image, "PNG", transparency=0))) as again:
        assert np.array_equal(photo.samples, np.asarray(again.convert("RGBA")))


def test_cmyk_is_converted_with_a_notice() -> None:
    photo = read_photo(as_file(Image.fromarray(samples_of("u8", 3)).convert("CMYK"), "JPEG"), "it")
    assert photo.pixel_format.layout == "RGB"
    assert any("CMYK" in notice for notice in photo.notices)


def deep_tiff(samples: NDArray[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


def test_cmyk_with_16_bits_is_not_taken_for_red_green_blue_and_alpha() -> None:
    samples = np.zeros((4, 5, 4), np.uint16)
    samples[..., 0] = 65535  # cyan alone
    photo = read_photo(deep_tiff(samples, photometric="separated"), "it")
    assert photo.pixel_format.layout == "RGB"
    assert photo.samples[0, 0].tolist() == [0, 255, 255]
    assert any("CMYK" in notice and "8 bits" in notice for notice in photo.notices)


def test_colours_multiplied_by_their_alpha_are_divided_again() -> None:
    samples = np.zeros((3, 3, 4), np.uint16)
    samples[..., 0], samples[..., 3] = 10000, 20000
    samples[0, 0] = 0
    photo = read_photo(deep_tiff(samples, photometric="rgb", extrasamples=["assocalpha"]), "it")
    assert photo.samples[1, 1].tolist() == [32768, 0, 0, 20000]
    assert photo.samples[0, 0].tolist() == [0, 0, 0, 0]


def test_colours_of_another_kind_are_named() -> None:
    with pytest.raises(NotAnImage, match="holds LogLuv colours"):
        read_photo(deep_tiff(samples_of("u16", 3), photometric="logluv"), "it")
    with pytest.raises(NotAnImage, match="Floating point L"):
        read_photo(deep_tiff(samples_of("f32", 3), photometric="cielab"), "it")


def test_a_transparent_colour_of_a_16_bit_png_becomes_alpha() -> None:
    samples = samples_of("u16", 3)
    samples[2, 3] = [1, 2, 3]
    file = io.BytesIO()
    png16.write(file, samples, [(b"tRNS", struct.pack(">3H", 1, 2, 3))])
    photo = read_photo(file.getvalue(), "it")
    assert photo.samples.shape[2] == 4
    assert photo.samples[2, 3, 3] == 0
    assert (np.delete(photo.samples[..., 3].ravel(), 2 * 9 + 3) == 65535).all()


def test_an_lzw_tiff_and_a_planar_16_bit_tiff_can_be_read() -> None:
    samples = samples_of("u8", 3)
    packed = as_file(Image.fromarray(samples), "TIFF", compression="tiff_lzw")
    assert np.array_equal(read_photo(packed, "it").samples, samples)
    deep, file = samples_of("u16", 3), io.BytesIO()
    tifffile.imwrite(file, np.moveaxis(deep, 2, 0), photometric="rgb", planarconfig="separate")
    assert np.array_equal(read_photo(file.getvalue(), "it").samples, deep)


def test_a_big_endian_float_tiff_with_centimetres_can_be_read() -> None:
    samples, file = samples_of("f32", 3), io.BytesIO()
    tifffile.imwrite(
        file, samples, photometric="rgb", byteorder=">", resolution=(100, 100), resolutionunit="CENTIMETER"
    )
    photo = read_photo(file.getvalue(), "it")
    assert np.array_equal(photo.samples, samples)
    assert photo.samples.dtype.isnative
    assert photo.dpi == pytest.approx((254, 254))


@pytest.mark.parametrize(
    ("kind", "depth", "count", "words"),
    [
        ("JPEG", "u16", 3, "8 bits"),
        ("JPEG", "u8", 4, "white"),
        ("PNG", "f32", 3, "16 bits"),
        ("WEBP", "f16", 3, "8 bits"),
    ],
)
def test_what_a_format_cannot_hold_is_said(kind: str, depth: str, count: int, words: str) -> None:
    contents, notices = encoded(Photo(samples_of(depth, count)), kind)
    assert any(words in notice for notice in notices)
    read_photo(contents, "it")


def test_a_picture_too_wide_for_its_format_is_refused_before_it_is_written() -> None:
    with pytest.raises(WrongParameter, match="WEBP holds up to 16383"):
        encoded(Photo(np.zeros((1, 16384, 3), np.uint8)), "WEBP")


@pytest.mark.parametrize("contents", [b"", b"hello", b"II*\0" + bytes(20), b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(30)])
def test_what_is_no_picture_gets_a_sentence(contents: bytes) -> None:
    with pytest.raises(NotAnImage, match=r"photo\.png .*expected"):
        read_photo(contents, "photo.png")


def test_a_format_that_is_not_ours_is_refused_with_those_that_are() -> None:
    with pytest.raises(NotAnImage, match=r"none of the formats that are known.; expected PNG, JPEG, TIFF"):
        read_photo(as_file(Image.new("L", (3, 3)), "PPM"), "it")


def test_a_truncated_file_is_not_taken_for_a_picture() -> None:
    contents = as_file(Image.fromarray(samples_of("u8", 3, 200, 200)), "PNG")
    with pytest.raises(NotAnImage):
        read_photo(contents[: len(contents) // 2], "it")


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_the_limit_is_checked_before_decoding(kind: str) -> None:
    contents, _ = encoded(Photo(samples_of("u16", 3, 100, 100)), kind)
    with pytest.raises(TooLarge, match="limit"):
        read_photo(contents, "it", 9999)


def tiff_of_one_strip(side: int, strip: bytes, compression: int, rows: int) -> bytes:
    """Write a grey TIFF with 16 bits by hand, whose strip is whatever it is."""
    tags = [(256, side), (257, side), (258, 16), (259, compression), (262, 1), (273, 8), (277, 1), (278, rows),
            (279, len(strip))]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + struct.pack("<H", len(tags)) + directory + bytes(4)


@pytest.mark.parametrize("compression", [8, 34925])
def test_a_strip_that_would_become_larger_than_its_picture_is_not_inflated(compression: int) -> None:
    flood = bytes(64 << 20)
    strip = zlib.compress(flood, 9) if compression == 8 else lzma.compress(flood)
    tracemalloc.start()
    try:
        with pytest.raises(NotAnImage, match="more data than its 10×10 pixels"):
            read_photo(tiff_of_one_strip(10, strip, compression, 10), "it")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_single_strip_without_a_height_of_its_own_can_be_read() -> None:
    samples = samples_of("u16", 1, 10, 10)
    contents = tiff_of_one_strip(10, zlib.compress(samples.tobytes()), 8, 2**32 - 1)
    assert np.array_equal(read_photo(contents, "it").samples, samples)


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "photo.webp"
    path.write_bytes(b"mine")
    with pytest.raises(WrongParameter):
        save_photo(Photo(np.zeros((1, 16384, 3), np.uint8)), path)
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


def test_what_came_into_being_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    photo = Photo(samples_of("u8", 3))
    assert save_photo(photo, path, replace=False) == []
    first = path.read_bytes()
    with pytest.raises(FileExistsError):
        save_photo(Photo(samples_of("u8", 3)), path, replace=False)
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]


def test_an_unknown_ending_is_named_with_the_known_ones() -> None:
    with pytest.raises(WrongParameter, match=r"photo\.bmp ends in '\.bmp'; expected one of \.png"):
        format_of(Path("photo.bmp"))


def _profile(curve: bytes) -> bytes:
    return bytes(128) + struct.pack(">I4sII", 1, b"rTRC", 144, len(curve)) + curve


@pytest.mark.parametrize(
    ("curve", "straight"),
    [
        (b"curv" + struct.pack(">II", 0, 0), True),
        (b"curv" + struct.pack(">IIH", 0, 1, 256), True),
        (b"curv" + struct.pack(">IIH", 0, 1, 563), False),
        (b"para" + struct.pack(">IHHi", 0, 0, 0, 65536), True),
        (b"para" + struct.pack(">IHHi", 0, 3, 0, 157286), False),
        (b"curv" + struct.pack(">II3H", 0, 3, 0, 32768, 65535), True),
        (b"curv" + struct.pack(">II3H", 0, 3, 0, 12000, 65535), False),
        (b"", False),
    ],
)
def test_linear_light_is_told_by_the_profile(curve: bytes, straight: bool) -> None:
    assert icc.is_linear(_profile(curve)) is straight
    assert Photo(samples_of("f32", 3), icc=_profile(curve)).pixel_format.transfer == (
        "linear" if straight else "perceptual"
    )


def test_srgb_is_not_linear() -> None:
    assert not icc.is_linear(SRGB)
