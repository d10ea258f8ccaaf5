"""Files of many kinds: each is read as it should look, or refused with a sentence that is true."""

from __future__ import annotations

import importlib.util
import io
import struct
import sys
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms

from server.errors import NotAnImage, ServerError, TooLarge
from server.images.files import kind_of, read_photo, write_photo
from server.images.formats.tiff import straight
from server.images.metadata import icc
from server.images.photo import Photo
from tests.server.file_kinds import chunk, directory, jpeg, long, picture, png, rgb_png, short, tiff

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
needs_codecs = pytest.mark.skipif(not importlib.util.find_spec("imagecodecs"), reason="needs imagecodecs")


def written(photo: Photo, kind: str) -> tuple[bytes, list[str]]:
    file = io.BytesIO()
    notices = write_photo(photo, file, kind)
    return file.getvalue(), notices[len(photo.notices) :]


def as_tiff(samples: NDArray[Any], **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, samples, **options)
    return file.getvalue()


# Transparency by a colour


@pytest.mark.parametrize(("bits", "key"), [(1, 0), (1, 1), (2, 2), (4, 7), (8, 200), (16, 300)])
def test_the_transparent_grey_of_a_png_becomes_alpha_at_every_depth(bits: int, key: int) -> None:
    values = np.arange(64).reshape(8, 8) % min(1 << bits, 64)
    values[3, 3] = key
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in values]
    else:
        ones = (values[:, :, None] >> np.arange(bits)[::-1]) & 1
        rows = [np.packbits(row.ravel()).tobytes() for row in ones]
    samples = read_photo(png(rows, 8, bits, 0, chunk(b"tRNS", struct.pack(">H", key))), "it").samples
    white = 65535 if bits == 16 else 255
    scale = white // ((1 << bits) - 1)
    assert np.array_equal(samples[:, :, 0], values * scale)
    assert np.array_equal(samples[:, :, 1], np.where(values == key, 0, white))


@pytest.mark.parametrize("bits", [8, 16])
def test_the_transparent_colour_of_a_png_becomes_alpha(bits: int) -> None:
    samples = picture(8, 9, 3, (1 << bits) - 1)
    samples[2, 3] = [1, 2, 3]
    rows = [row.astype(f">u{bits // 8}").tobytes() for row in samples]
    result = read_photo(png(rows, 9, bits, 2, chunk(b"tRNS", struct.pack(">3H", 1, 2, 3))), "it").samples
    assert np.array_equal(result[:, :, :3], samples)
    assert result[2, 3, 3] == 0
    assert (np.delete(result[:, :, 3].ravel(), 2 * 9 + 3) == (1 << bits) - 1).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_palette_of_any_depth_keeps_its_colours_and_its_alpha(bits: int) -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)
    values = np.indices((4, 8)).sum(axis=0) % 2
    ones = (values[:, :, None] >> np.arange(bits)[::-1]) & 1
    rows = [np.packbits(row.ravel()).tobytes() for row in ones]
    photo = read_photo(png(rows, 8, bits, 3, chunk(b"PLTE", colours.tobytes()), chunk(b"tRNS", b"\x80")), "it")
    assert np.array_equal(photo.samples[:, :, :3], colours[values])
    assert np.array_equal(photo.samples[:, :, 3], np.where(values == 0, 128, 255))
    assert photo.notices == ["The palette was converted to RGB."]


@pytest.mark.parametrize("key", [b"\0", b"\0\1\0\2\0\3\0"])
def test_a_transparent_colour_of_a_length_of_its_own_is_used_as_far_as_it_fits_or_named(key: bytes) -> None:
    photo = read_photo(rgb_png(chunk(b"tRNS", key)), "it")
    assert photo.samples.shape[2] == (3 if len(key) == 1 else 4)
    assert (photo.notices == ["PNG's tRNS was left out: it does not fit the colours."]) == (len(key) == 1)


# Checksums


def test_a_damaged_chunk_that_is_not_needed_is_left_out_by_name() -> None:
    photo = read_photo(rgb_png(chunk(b"tEXt", b"Title\0a title", damaged=True), chunk(b"tIME", bytes(7))), "it")
    assert np.array_equal(photo.samples, picture())
    assert photo.notices == ["A damaged tEXt chunk (Title) was left out."]
    assert [name for name, _ in photo.chunks] == [b"tIME"]


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT"])
def test_a_damaged_chunk_that_is_needed_refuses_the_picture(name: bytes) -> None:
    with pytest.raises(NotAnImage, match=f"it is damaged .the checksum of its {name.decode()} is wrong"):
        read_photo(rgb_png(spoil=name), "it")


def test_a_wrong_checksum_behind_whole_pixels_does_not_matter() -> None:
    assert np.array_equal(read_photo(rgb_png(adler=True), "it").samples, picture())


def test_a_palette_that_only_suggests_colours_is_named_and_does_no_harm_where_it_is_damaged() -> None:
    photo = read_photo(rgb_png(chunk(b"PLTE", bytes(9)), chunk(b"hIST", bytes(6))), "it")
    assert photo.notices == [
        "PNG's hIST, the histogram, was left out: it is of the old pixels.",
        "PNG's PLTE, a palette for screens of few colours, was left out.",
    ]
    damaged = read_photo(rgb_png(chunk(b"PLTE", bytes(9), damaged=True)), "it")
    assert np.array_equal(damaged.samples, picture())
    assert damaged.notices == ["A damaged PLTE chunk was left out."]


def test_chunks_that_may_come_several_times_are_all_kept_and_the_others_named() -> None:
    twice = [chunk(b"prVt", b"one"), chunk(b"prVt", b"two"), chunk(b"tIME", bytes(7)), chunk(b"tIME", bytes(7))]
    photo = read_photo(rgb_png(*twice), "it")
    assert photo.chunks == [(b"prVt", b"one"), (b"prVt", b"two"), (b"tIME", bytes(7))]
    assert photo.notices == ["A second tIME chunk was left out."]


def test_a_chunk_that_must_be_understood_and_is_not_refuses_the_picture() -> None:
    with pytest.raises(NotAnImage, match="needs a reader that knows ABCD"):
        read_photo(rgb_png(chunk(b"ABCD", b"")), "it")


# Samples of TIFF


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize(("count", "extra", "kept", "gone"), [
    (4, (0,), 3, 1), (4, (), 3, 1), (2, (0,), 1, 1), (5, (2, 0), 4, 1), (5, (0, 2), 4, 1), (5, (0, 0), 3, 2),
    (4, (2,), 4, 0), (2, (2,), 2, 0), (7, (0, 0, 0, 0), 3, 4),
])  # fmt: skip
def test_only_what_a_tiff_calls_alpha_is_alpha(
    white: int, count: int, extra: tuple[int, ...], kept: int, gone: int
) -> None:
    samples = picture(count=count, white=white)
    tags = ([short(338, *extra)] if extra else []) + ([short(262, 1)] if count == 2 else [])
    photo = read_photo(tiff(samples, *tags), "it")
    colours = 1 if count == 2 else 3
    assert photo.samples.shape[2] == kept
    assert np.array_equal(photo.samples[:, :, :colours], samples[:, :, :colours])
    if kept > colours:
        assert np.array_equal(photo.samples[:, :, -1], samples[:, :, colours + extra.index(2)])
    assert any(f"{gone} extra sample" in notice for notice in photo.notices) == bool(gone)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("step", [None, 1, 256, 257])  # between the map's values of 8 bits; None for values of 16
@pytest.mark.parametrize("extra", [None, 0, 1, 2])
def test_a_palette_of_a_tiff_keeps_its_colours_and_its_alpha_at_every_depth(
    bits: int, step: int | None, extra: int | None
) -> None:
    size = 1 << bits
    table = np.random.default_rng(0).integers(0, 256 if step else 65536, (size, 3))
    index = np.arange(40 * 56).reshape(40, 56) * 7 % size
    alpha = np.full((40, 56), size - 1)
    planes = np.stack([index] if extra is None else [index, alpha], axis=2)
    if bits == 16:
        stored = planes.astype(np.uint16)
    else:
        ones = (planes.reshape(40, -1)[:, :, None] >> np.arange(bits)[::-1]) & 1
        stored = np.packbits(ones.reshape(40, -1), axis=1)[:, :, None]
    tags = [long(256, 56), short(258, bits), short(277, planes.shape[2]), short(262, 3)]
    tags += [] if extra is None else [short(338, extra)]
    photo = read_photo(tiff(stored, *tags, (320, 3, 3 * size, (table * (step or 1)).T.astype("<u2").tobytes())), "it")
    wide = step is None or bits == 16
    assert np.array_equal(photo.samples[:, :, :3], (table * (257 if step and wide else 1))[index])
    assert photo.samples.shape[2] == (4 if extra in (1, 2) else 3)
    assert (photo.samples[:, :, 3:] == (65535 if wide else 255)).all()
    assert any("1 extra sample of each pixel" in notice for notice in photo.notices) == (extra == 0)


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize(("colours", "neutral"), [(5, 0), (8, 0), (9, 0.502)])
def test_the_alpha_beside_cmyk_and_lab_is_kept(white: int, colours: int, neutral: float) -> None:
    count = 4 if colours == 5 else 3
    samples = np.full((8, 9, count + 1), round(neutral * white), np.uint8 if white == 255 else np.uint16)
    samples[:, :, 0] = 0 if colours == 5 else white
    samples[:, :, -1] = white // 5
    samples[:4, :, 0] = white // 2 if colours != 5 else 0
    samples[:4, :, 3] = white // 2 if colours == 5 else samples[:4, :, 3]
    profile = [(34675, 7, len(SRGB), SRGB)] if colours != 5 else []
    photo = read_photo(tiff(samples, short(262, colours), short(338, 2), *profile), "it")
    assert photo.samples.shape == (8, 9, 4)
    assert (photo.samples[:, :, 3] == 51).all()
    assert (photo.samples[4:, :, :3] >= 253).all()
    assert np.ptp(photo.samples[:4, :, :3].astype(int), axis=2).max() <= 3
    assert (np.abs(photo.samples[:4, :, 0].astype(int) - (127 if colours == 5 else 119)) < 4).all()
    assert photo.icc is None
    assert any("profile was left out" in notice for notice in photo.notices) == (colours != 5)
    assert not any("extra sample" in notice for notice in photo.notices)


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
@pytest.mark.parametrize("compression", [1, 8])
def test_differences_of_whole_numbers_are_undone_in_floating_point_too(kind: str, compression: int) -> None:
    """And not looked for where nothing is compressed: libtiff does the same."""
    samples = (picture() / 100).astype("<" + kind)
    words = samples.view(f"<u{samples.itemsize}")
    differences = np.diff(words, axis=1, prepend=words[:, :1] * 0).astype(words.dtype)
    packed = zlib.compress(differences.tobytes()) if compression == 8 else samples.tobytes()
    stored = np.frombuffer(packed, np.uint8)[:, None, None]
    contents = tiff(
        stored, long(256, 56), long(257, 40), long(278, 40), short(258, *[8 * samples.itemsize] * 3),
        short(259, compression), short(262, 2), short(277, 3), short(317, 2), short(339, 3, 3, 3),
    )  # fmt: skip
    result = read_photo(contents, "it").samples
    assert np.array_equal(result, samples.astype(result.dtype))


@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize("count", [2, 4])
def test_colours_multiplied_by_alpha_are_divided_again_at_every_depth(white: int, count: int) -> None:
    samples = np.full((3, 4, count), white // 5, np.uint8 if white == 255 else np.uint16)
    samples[:, :, -1] = white // 5 * 2
    tags = [short(338, 1)] + ([short(262, 1)] if count == 2 else [])
    result = read_photo(tiff(samples, *tags), "it").samples
    assert np.abs(result[:, :, 0].astype(int) - white / 2).max() <= 1
    assert (result[:, :, -1] == white // 5 * 2).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 10, 12, 14])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_grey_of_odd_depths_is_stretched_to_the_whole_range(bits: int, white_is_zero: bool) -> None:
    values = np.arange(9 * 7).reshape(9, 7) % (1 << bits)
    values[0, :2] = 0, (1 << bits) - 1
    ones = (values[:, :, None] >> np.arange(bits)[::-1]) & 1
    packed = np.packbits(ones.reshape(9, -1), axis=1)
    contents = tiff(packed[:, :, None], long(256, 7), short(258, bits), short(262, 0 if white_is_zero else 1))
    samples = read_photo(contents, "it").samples[:, :, 0]
    white = 255 if bits <= 8 else 65535
    expected = values * white / ((1 << bits) - 1)
    assert samples.dtype == (np.uint8 if bits <= 8 else np.uint16)
    assert np.abs(samples - (white - expected if white_is_zero else expected)).max() <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("compression", [None, "zlib", "lzma", "lzw", "packbits", "zstd"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_every_common_compression_is_read_without_imagecodecs(
    monkeypatch: pytest.MonkeyPatch, dtype: str, compression: str | None, predictor: bool, tile: Any, order: str
) -> None:
    if compression in ("lzw", "packbits", "zstd") or predictor:
        pytest.importorskip("imagecodecs")  # to write them
    if predictor and compression in (None, "packbits"):
        pytest.skip("not written so")
    samples = picture(white=255 if dtype == "u1" else 65535)
    samples = (samples / 65535).astype(np.float32) if dtype == "f4" else samples
    contents = as_tiff(samples, photometric="rgb", compression=compression, predictor=predictor, tile=tile,
                       byteorder=order, rowsperstrip=None if tile else 7)  # fmt: skip
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    assert np.array_equal(read_photo(contents, "it").samples, samples)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_a_bigtiff_is_read_like_any_other(planar: str) -> None:
    samples = picture(white=65535)
    given = np.moveaxis(samples, 2, 0) if planar == "separate" else samples
    contents = as_tiff(given, photometric="rgb", bigtiff=True, planarconfig=planar, tile=(16, 16))
    assert kind_of(contents[:16]) == "TIFF"
    photo = read_photo(contents, "it")
    assert np.array_equal(photo.samples, samples)
    assert photo.notices == []


def test_a_float_of_64_bits_becomes_one_of_32() -> None:
    samples = picture().astype(np.float64) / 100
    samples[0, :5, 0] = expected = 1e300, -1e300, np.inf, -np.inf, np.nan
    found = read_photo(as_tiff(samples, photometric="rgb"), "it").samples
    largest = np.finfo(np.float32).max
    assert np.array_equal(found[0, :5, 0], [largest, -largest, *expected[2:]], equal_nan=True)
    assert np.array_equal(found[1:], samples[1:].astype(np.float32))


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_colours_divided_by_next_to_no_alpha_stay_finite(kind: type[np.floating[Any]]) -> None:
    samples = np.full((2, 2, 4), 10, kind)
    samples[:, :, 3] = np.finfo(kind).smallest_subnormal
    found = straight(samples)
    assert (found[:, :, :3] == np.finfo(kind).max).all()


@needs_codecs
@pytest.mark.parametrize("compression", ["jpeg2000", "lerc", "png", "webp", "jpegxl"])
def test_rare_compressions_are_read_by_imagecodecs(compression: str) -> None:
    samples = picture(64, 64)
    options: dict[str, Any] = {"compressionargs": {"reversible": True}} if compression == "jpeg2000" else {}
    if compression in ("webp", "jpegxl"):
        options = {"compressionargs": {"lossless": True}}
    contents = as_tiff(samples, photometric="rgb", compression=compression, **options)
    assert np.array_equal(read_photo(contents, "it").samples, samples)


def test_without_imagecodecs_a_sentence_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(NotAnImage, match=r"TIFF compressed by LERC; reading it needs .*neural-upscale\[codecs\]"):
        read_photo(tiff(picture(), short(259, 34887)), "it")
    deep = bytearray(jpeg())
    deep[deep.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(NotAnImage, match=r"JPEG of 12 bits; reading it needs .*neural-upscale\[codecs\]"):
        read_photo(bytes(deep), "it")


@needs_codecs
def test_a_jpeg_of_12_bits_is_stretched_to_16() -> None:
    import imagecodecs

    samples = picture(64, 64, 3, 4095)
    contents = imagecodecs.jpeg_encode(samples, level=98, bitspersample=12, subsampling="444")
    result = read_photo(contents, "it").samples
    assert result.dtype == np.uint16
    assert np.abs(result / 65535 - samples / 4095).mean() < 0.01


# Which picture


def test_the_picture_of_a_raw_like_tiff_is_the_one_in_its_subifd() -> None:
    large = picture(40, 56, 1, 65535)
    photo = read_photo(tiff(picture(10, 14), long(254, 1), sub=(large, [])), "it")
    assert np.array_equal(photo.samples, large)
    assert photo.notices == [
        "The file begins with a preview of 14×10 pixels, which was left out; its picture of 56×40 was enlarged."
    ]


def test_a_larger_picture_in_a_subifd_counts_without_a_mark_too() -> None:
    assert read_photo(tiff(picture(10, 14), sub=(picture(40, 56), [])), "it").samples.shape == (40, 56, 3)


def test_a_smaller_copy_in_a_subifd_is_left_out_with_a_notice() -> None:
    photo = read_photo(tiff(picture(40, 56), sub=(picture(10, 14), [long(254, 1)])), "it")
    assert photo.samples.shape == (40, 56, 3)
    assert photo.notices == ["Smaller copies of the picture in the file were left out."]


@pytest.mark.parametrize("colours", [32803, 34892])
def test_raw_samples_behind_a_preview_are_refused_with_where_the_picture_is(colours: int) -> None:
    raw = picture(40, 56, 1, 65535)
    with pytest.raises(
        NotAnImage, match=r"preview of 14×10 pixels; its picture of 56×40 holds .*raw.* samples; develop"
    ):
        read_photo(tiff(picture(10, 14), long(254, 1), sub=(raw, [short(262, colours)])), "it")


def test_a_preview_in_front_of_the_picture_in_the_chain_is_passed_over() -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        writer.write(picture(10, 14), photometric="rgb", subfiletype=1, metadata=None)
        writer.write(picture(40, 56), photometric="rgb", metadata=None)
    assert read_photo(file.getvalue(), "it").samples.shape == (40, 56, 3)


@pytest.mark.parametrize("pages", [3, 150])
@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_the_first_of_several_pages_is_read_and_the_others_are_counted(
    pages: int, tile: tuple[int, int] | None, bigtiff: bool
) -> None:
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=bigtiff) as writer:
        for page in range(pages):
            writer.write(picture(40, 56) + np.uint8(page), photometric="rgb", metadata=None, tile=tile)
    photo = read_photo(file.getvalue(), "it")
    assert np.array_equal(photo.samples, picture(40, 56))
    assert photo.notices == [f"Only the first of {pages} pictures in the file is enlarged; {pages - 1} left out."]


def test_pages_that_follow_one_another_in_a_circle_are_each_counted_once() -> None:
    contents = bytearray(tiff(picture(8, 9)))
    first = int.from_bytes(contents[4:8], "little")
    (count,) = struct.unpack_from("<H", contents, first)
    struct.pack_into("<I", contents, first + 2 + 12 * count, first)
    assert read_photo(bytes(contents), "it").notices == []


def test_a_second_picture_behind_a_jpeg_is_told() -> None:
    photo = read_photo(jpeg(None, (0xE2, b"MPF\0" + bytes(40)), behind=jpeg(picture(8, 8))), "it")
    assert photo.samples.shape == (40, 56, 3)
    assert photo.notices == ["Only the first of several pictures in the file (MPF) is enlarged."]
    assert b"MPF" not in written(photo, "JPEG")[0]


def test_the_pictures_of_an_mpo_are_counted() -> None:
    file = io.BytesIO()
    Image.fromarray(picture(40, 56)).save(
        file, "MPO", save_all=True, append_images=[Image.fromarray(picture(40, 56))] * 2, quality=95
    )
    photo = read_photo(file.getvalue(), "it.mpo")
    assert photo.samples.shape == (40, 56, 3)
    assert photo.notices == ["Only the first of 3 pictures in the file (MPF) is enlarged."]


def test_a_jpeg_whose_segments_lead_nowhere_is_refused_at_once() -> None:
    with pytest.raises(NotAnImage, match="a JPEG without a picture"):
        read_photo(b"\xff\xd8\xff\xe0\0\4abcdefgh", "it")


def test_what_lies_behind_a_jpeg_without_a_list_of_pictures_is_told() -> None:
    photo = read_photo(jpeg(behind=b"a film"), "it")
    assert photo.notices == ["6 bytes behind the picture were left out: a film, a second picture or other."]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_first_picture_of_an_animation_is_told(kind: str) -> None:
    frames = [Image.fromarray(picture(8, 8)), Image.fromarray(picture(8, 8)[::-1].copy())]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    photo = read_photo(file.getvalue(), "it")
    assert photo.samples.shape[:2] == (8, 8)
    assert any("Only the first" in notice for notice in photo.notices)


# Colour


def test_grey_is_read_as_grey_whatever_the_rounding_of_a_decoder_or_a_conversion() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(4, axis=0).repeat(4, axis=1)
    file = io.BytesIO()
    Image.fromarray(levels).convert("RGB").save(file, "WEBP", quality=100)
    of_webp = read_photo(file.getvalue(), "it").samples
    lab = np.stack([levels, levels * 0, levels * 0], axis=2)
    of_lab = read_photo(tiff(lab, short(262, 8)), "it").samples
    for samples in (of_webp, of_lab):
        assert samples.shape == (64, 64, 3)
        assert np.ptp(samples.astype(int), axis=2).max() == 0
    file = io.BytesIO()
    green = picture() // 2
    green[:, :, 0] = green[:, :, 2] = green[:, :, 1] + 1
    Image.fromarray(green).save(file, "WEBP", lossless=True)
    assert np.array_equal(read_photo(file.getvalue(), "it").samples, green)


def test_the_colours_of_an_avif_without_a_profile_become_one() -> None:
    file = io.BytesIO()
    Image.fromarray(picture(40, 56)).save(file, "AVIF", quality=95)
    plain = file.getvalue()
    assert read_photo(plain, "it").icc is None
    place = plain.index(b"colrnclx") + 8
    photo = read_photo(plain[:place] + struct.pack(">HH", 12, 16) + plain[place + 4 :], "it")
    assert photo.icc is not None
    assert "What the file tells of its colours (CICP 12/16) became a colour profile." in photo.notices


def test_linear_light_is_told_by_gama_and_by_cicp() -> None:
    gamma = lambda value: chunk(b"gAMA", struct.pack(">I", value))  # noqa: E731
    profile = chunk(b"iCCP", b"it\0\0" + zlib.compress(SRGB))

    def transfer(*chunks: bytes) -> str:
        return read_photo(rgb_png(*chunks), "it").pixel_format.transfer

    assert transfer(gamma(100_000)) == "linear"
    assert transfer(gamma(45_455)) == "perceptual"
    assert transfer(gamma(100_000), chunk(b"sRGB", b"\0")) == "perceptual"
    assert transfer(gamma(100_000), profile) == "perceptual"
    assert transfer(chunk(b"cICP", bytes([1, 8, 0, 1]))) == "linear"
    assert transfer(gamma(100_000), chunk(b"cICP", bytes([9, 16, 0, 1]))) == "perceptual"


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("grey", [False, True])
def test_the_colour_that_a_png_tells_by_chunks_becomes_a_profile_elsewhere(kind: str, grey: bool) -> None:
    chunks = [
        [chunk(b"gAMA", struct.pack(">I", 100_000))],
        [chunk(b"gAMA", struct.pack(">I", 55_000)), chunk(b"cHRM", struct.pack(">8I", *CHROMATICITIES))],
        [chunk(b"cICP", bytes([9, 16, 0, 1]))], [chunk(b"cICP", bytes([12, 13, 0, 1]))],
        [chunk(b"cICP", bytes([9, 18, 0, 1]))], [chunk(b"sRGB", b"\0")],
    ]  # fmt: skip
    for given in chunks:
        name = given[0][4:8].decode()
        contents = png([row[:, 0].tobytes() for row in picture()], 56, 8, 0, *given) if grey else rgb_png(*given)
        photo = read_photo(contents, "it")
        encoded, notices = written(photo, kind)
        assert any(name in notice and "became a colour profile" in notice for notice in notices)
        again = read_photo(encoded, "it")
        assert again.icc is not None
        assert ImageCms.getOpenProfile(io.BytesIO(again.icc)).profile.xcolor_space.strip() in ("RGB", "GRAY")
        assert again.pixel_format.transfer == photo.pixel_format.transfer


CHROMATICITIES = (31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)


def test_a_profile_made_of_chromaticities_gives_the_colours_that_they_give() -> None:
    """Adobe RGB's numbers: the same profile as littleCMS builds of them, within rounding."""
    made = ImageCms.getOpenProfile(
        io.BytesIO(icc.of_gamma(2.2, (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06), 3))
    )
    expected = {"red": (0.6097, 0.3111, 0.0195), "green": (0.2053, 0.6257, 0.0609), "blue": (0.1492, 0.0632, 0.7446)}
    for name, value in expected.items():  # as Adobe publishes them, adapted to D50
        assert getattr(made.profile, f"{name}_colorant")[0] == pytest.approx(value, abs=5e-4)


def grey_profile(curve: bytes = struct.pack(">4s4xIH2x", b"curv", 1, 563)) -> bytes:
    head = bytearray(128)
    head[12:16], head[16:20], head[20:24], head[36:40], head[8:10] = b"mntr", b"GRAY", b"XYZ ", b"acsp", b"\2\x40"
    body = struct.pack(">4s4x3i", b"XYZ ", 63190, 65536, 54061) + curve
    table = struct.pack(">I4sII4sII", 2, b"wtpt", 156, 20, b"kTRC", 176, len(curve))
    head[0:4] = struct.pack(">I", 128 + len(table) + len(body))
    return bytes(head) + table + body


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_a_grey_profile_is_written_anew_where_grey_is_stored_as_rgb(kind: str) -> None:
    photo = read_photo(jpeg(picture(count=1), icc_profile=grey_profile()), "it")
    encoded, notices = written(photo, kind)
    assert any("written anew for RGB" in notice for notice in notices)
    again = read_photo(encoded, "it")
    assert again.icc is not None
    assert icc.space_of(again.icc) == "RGB"
    assert struct.pack(">IH", 1, 563) in again.icc  # the same curve
    assert written(photo, "JPEG")[0].count(grey_profile()) == 1


@pytest.mark.parametrize(("profile", "count", "words"), [
    (grey_profile(), 3, "it is for GRAY"), (grey_profile()[:100], 1, "damaged"), (SRGB[:300], 3, "damaged"),
    (b"no profile at all", 3, "damaged"), (SRGB.replace(b"RGB ", b"CMYK", 1), 3, "it is for CMYK"),
    (SRGB[:12] + b"link" + SRGB[16:], 3, "damaged"),
])  # fmt: skip
def test_a_profile_that_cannot_fit_is_left_out_with_a_notice(profile: bytes, count: int, words: str) -> None:
    photo = read_photo(jpeg(picture(count=count), icc_profile=profile), "it")
    assert photo.icc is None
    assert any("colour profile was left out" in notice and words in notice for notice in photo.notices)


def test_an_rgb_profile_of_a_grey_picture_goes_only_where_grey_becomes_rgb() -> None:
    photo = read_photo(jpeg(picture(count=1), icc_profile=SRGB), "it")
    assert read_photo(written(photo, "WEBP")[0], "it").icc == SRGB
    encoded, notices = written(photo, "PNG")
    assert read_photo(encoded, "it").icc is None
    assert any("it is for RGB, and PNG stores GRAY here" in notice for notice in notices)


@pytest.mark.parametrize("profile", [None, b"broken", SRGB, SRGB.replace(b"RGB ", b"CMYK", 1)])
def test_cmyk_without_a_profile_that_can_be_used_is_enlarged_all_the_same(profile: bytes | None) -> None:
    options = {} if profile is None else {"icc_profile": profile}
    photo = read_photo(jpeg(np.zeros((8, 8, 4), np.uint8), mode="CMYK", **options), "it")
    assert photo.samples.shape == (8, 8, 3)
    assert photo.samples.min() >= 250  # no ink
    assert any("converted to RGB without a profile" in notice for notice in photo.notices)
    assert any("colour profile was left out" in notice for notice in photo.notices) == (profile is not None)


# Limits


def sparse(samples: int, *more: tuple[int, int, int, bytes], side: int = 1000, compression: int = 8) -> bytes:
    values = [long(256, side), long(257, side), short(258, 16), short(259, compression), short(262, 1), long(273, 0),
              short(277, samples), long(278, side), long(279, 0), *more]  # fmt: skip
    return b"II*\0\x08\0\0\0" + directory(values, 8)


HUGE = struct.pack(">IIBBBBB", 100_000, 100_000, 16, 6, 0, 0, 0)
WIDE = struct.pack("<HH", 65535, 65535)
FRAME = jpeg()
HOSTILE = {
    "samples": sparse(1200), "depth": sparse(1, long(32997, 1200)), "side": sparse(1, side=60_000),
    "zstd": sparse(1, side=60_000, compression=50000),
    "tiles": sparse(1, long(322, 1), long(323, 1), long(324, 8), long(325, 1)),
    "wide tile": sparse(1, long(322, 1 << 30), long(323, 1 << 30), long(324, 8), long(325, 8)),
    "png": b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", HUGE) + chunk(b"IDAT", b"x\x9c") + chunk(b"IEND", b""),
    "jpeg": FRAME.replace(struct.pack(">HH", 40, 56), struct.pack(">HH", 65500, 65500), 1),
    "gif": b"GIF89a" + WIDE + bytes(3) + b",\0\0\0\0" + WIDE + b"\0\2",
    "bmp": b"BM" + struct.pack("<IHHIIiiHHIIIIII", 54, 0, 0, 54, 40, 100_000, 100_000, 1, 24, 0, 0, 0, 0, 0, 0),
    "chain": b"II*\0\x08\0\0\0" + b"".join(struct.pack("<HI", 0, 14 + 6 * index) for index in range(200_000)),
    "circle": b"II*\0\x08\0\0\0" + struct.pack("<HI", 0, 8),
    "chunks": b"\x89PNG\r\n\x1a\n" + chunk(b"tEXt", b"") * 300_000,
    "segments": b"\xff\xd8" + b"\xff\xfe\0\2" * 100_000,
    "scans": FRAME[: FRAME.index(b"\xff\xda")] + (b"\xff\xda\0\x0c\3\1\0\2\x11\3\x11\0\x3f\0" + bytes(3)) * 5000,
    "profile": rgb_png(chunk(b"iCCP", b"it\0\0" + zlib.compress(bytes(200 << 20), 9)))[:-40],
}  # fmt: skip


@pytest.mark.parametrize("limit", [None, 64_000_000])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_small_file_takes_no_memory_whatever_it_says(name: str, limit: int | None) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ServerError, match="it "):
            read_photo(HOSTILE[name], "it", limit)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_the_limit_is_one_of_bytes_as_well() -> None:
    wide = np.zeros((100, 100, 4), np.float64)
    contents = as_tiff(wide, photometric="rgb", extrasamples=["unassalpha"])
    assert read_photo(contents, "it", 20_000).samples.dtype == np.float32
    with pytest.raises(TooLarge, match=r"takes 0 MB when it is decoded|the limit is"):
        read_photo(contents, "it", 10_000)


def test_values_that_share_their_bytes_do_not_multiply() -> None:
    values = [(40_000 + index, 7, 15 << 20, b"") for index in range(100)]
    head = struct.pack("<H", len(values) + 9)
    first = sorted(long(tag, value) for tag, value in ((256, 4), (257, 4), (258, 8), (259, 1), (262, 1), (273, 8),
                                                       (277, 1), (278, 4), (279, 16)))  # fmt: skip
    entries = b"".join(struct.pack("<HHI4s", *each) for each in first)
    entries += b"".join(struct.pack("<HHII", tag, kind, count, 8) for tag, kind, count, _ in values)
    body = bytes(16 << 20)
    contents = b"II*\0" + struct.pack("<I", 8 + len(body)) + body + head + entries + bytes(4)
    with pytest.raises(NotAnImage, match="more than 128 MB of values"):
        read_photo(contents, "it")


@pytest.mark.parametrize("name", ["itxt", "iccp"])
def test_texts_and_profiles_up_to_16_mb_are_kept_and_larger_ones_named(name: str) -> None:
    for size, kept in ((2 << 20, True), (17 << 20, False)):
        if name == "itxt":
            extra = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<x/>".ljust(size)))
        else:
            head = bytearray(SRGB.ljust(size, b"\0"))
            head[:4] = struct.pack(">I", size)
            extra = chunk(b"iCCP", b"it\0\0" + zlib.compress(bytes(head)))
        photo = read_photo(rgb_png(extra), "it")
        found = photo.xmp if name == "itxt" else photo.icc
        assert (found is not None and len(found) == size) == kept
        assert bool(photo.notices) == (not kept)
