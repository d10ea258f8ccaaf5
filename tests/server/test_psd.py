"""PSD and PSB: the flattened picture in every mode and depth, and everything else kept or named."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from server.errors import NotAnImage, TooLarge
from server.images.files import read_photo
from tests.server.file_kinds import picture, psd

ALPHA = (1006, b"\x0cTransparency")


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("white", [255, 65535])
@pytest.mark.parametrize(("mode", "count"), [(1, 1), (3, 3), (8, 1)])
def test_the_flattened_picture_is_read_exactly(mode: int, count: int, white: int, packed: bool, big: bool) -> None:
    samples = picture(41, 300, count, white)
    photo = read_photo(psd(samples, mode, packed=packed, big=big), "it")
    assert photo.samples.dtype == samples.dtype
    assert np.array_equal(photo.samples, samples)


def test_pillow_sees_the_same_picture() -> None:
    contents = psd(picture(), packed=True)
    with Image.open(io.BytesIO(contents)) as image:
        assert np.array_equal(np.asarray(image), read_photo(contents, "it").samples)


def test_floats_are_linear_light() -> None:
    samples = picture().astype(np.float32) / np.float32(200)
    photo = read_photo(psd(samples), "it")
    assert np.array_equal(photo.samples, samples)
    assert photo.pixel_format.transfer == "linear"


def test_a_bitmap_is_black_where_its_bits_are_set() -> None:
    rows = np.packbits(np.indices((6, 16)).sum(axis=0) % 3 == 0, axis=1)[:, :, None]
    black = read_photo(psd(rows, 0, bits=1), "it").samples[:, :, 0] == 0
    assert np.array_equal(black, np.indices((6, 16)).sum(axis=0) % 3 == 0)


def test_the_palette_is_stored_by_colour_and_becomes_rgb() -> None:
    table = np.arange(768, dtype=np.uint8).reshape(256, 3)
    index = picture(20, 30, 1)
    photo = read_photo(psd(index, 2, palette=table.T.tobytes()), "it")
    assert np.array_equal(photo.samples, table[index[:, :, 0]])
    assert photo.notices == ["The palette was converted to RGB."]


def test_no_ink_is_white_in_cmyk() -> None:
    samples = np.full((4, 5, 4), 255, np.uint8)
    samples[0, 0] = [255, 255, 255, 0]
    photo = read_photo(psd(samples, 4), "it")
    assert (photo.samples[1, 1] > 250).all()
    assert (photo.samples[0, 0] < 60).all()


@pytest.mark.parametrize("white", [255, 65535])
def test_lab_becomes_srgb(white: int) -> None:
    samples = np.full((4, 5, 3), white // 2 + 1, np.uint8 if white == 255 else np.uint16)
    samples[:, :, 0] = white
    photo = read_photo(psd(samples, 9), "it")
    assert photo.samples.dtype == np.uint8
    assert (photo.samples > 250).all()
    assert f"CIELAB was converted to sRGB{'' if white == 255 else ', with 8 bits'}." in photo.notices


@pytest.mark.parametrize("told", ["layers", "name"])
def test_the_white_in_transparent_parts_is_taken_out(told: str) -> None:
    alpha = np.array([[[0], [51], [128], [255]]], np.uint8)
    colour = np.full((1, 4, 3), [10, 100, 200], np.uint8)
    mixed = np.rint(colour * (alpha / 255) + 255 - alpha).astype(np.uint8)
    contents = psd(np.concatenate([mixed, alpha], axis=2), 3, *([ALPHA] if told == "name" else []),
                   layers=-2 if told == "layers" else 0)  # fmt: skip
    photo = read_photo(contents, "it")
    assert np.array_equal(photo.samples[:, :, 3:], alpha)
    assert np.abs(photo.samples[0, 1:, :3].astype(int) - colour[0, 1:]).max() <= 3
    assert photo.notices == (["The flattened picture is enlarged; its 2 layers left out."] if told == "layers" else [])


def test_a_channel_that_is_not_said_to_be_transparency_is_left_out_by_a_notice() -> None:
    samples = picture(count=5)
    photo = read_photo(psd(samples, layers=3), "it")
    assert np.array_equal(photo.samples, samples[:, :, :3])
    assert photo.notices == [
        "2 channels beside the colours left out.", "The flattened picture is enlarged; its 3 layers left out.",
    ]  # fmt: skip


def test_a_file_of_layers_alone_is_refused() -> None:
    with pytest.raises(NotAnImage, match="holds layers alone; expected a flattened picture; save it for maximum"):
        read_photo(psd(picture(), 3, (1057, struct.pack(">IB", 1, 0))), "it")


@pytest.mark.parametrize("packed", [False, True])
def test_every_shorter_file_is_refused_with_a_sentence(packed: bool) -> None:
    contents = psd(picture(8, 9), 3, ALPHA, packed=packed)
    for length in range(4, len(contents), 3):
        with pytest.raises(NotAnImage):
            read_photo(contents[:length], "it")


def test_sizes_that_no_file_of_this_length_can_have_are_refused_before_anything_is_allocated() -> None:
    huge = struct.pack(">4sH6xHIIHH", b"8BPS", 2, 3, 300_000, 300_000, 8, 3) + bytes(16)
    with pytest.raises(TooLarge, match="megapixels, the limit is 1"):
        read_photo(huge, "it", 1_000_000)
    with pytest.raises((NotAnImage, TooLarge)):
        read_photo(huge, "it")
    with pytest.raises(NotAnImage, match="its 2 bytes cannot hold them"):
        read_photo(struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, 3000, 3000, 8, 3) + bytes(14), "it")
