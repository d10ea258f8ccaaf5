"""HEIC through pi-heif: pixels, depth, alpha, colours and words; refused with a true sentence where that is missing.

The files in tests/server/heic are `picture()` of tests/server/file_kinds.py, written by pillow-heif 1.8 without loss
(lossy.heic: quality 90); all.heic is turned by its file and says so in EXIF, too.
"""

from __future__ import annotations

import contextlib
import importlib.util
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from server.errors import NotAnImage, TooLarge
from server.images.decoder import Decoder
from server.images.files import kind_of, read_photo
from server.images.metadata import exif
from tests.server.file_kinds import picture

FOLDER = Path(__file__).parent / "heic"
needs_heif = pytest.mark.skipif(not importlib.util.find_spec("pi_heif"), reason="needs pi-heif")


@needs_heif
@pytest.mark.parametrize(("name", "count"), [("alpha", 4), ("grey", 1)])
def test_pixels_are_read_exactly(name: str, count: int) -> None:
    photo = read_photo(FOLDER / f"{name}.heic", name)
    assert np.array_equal(photo.samples, picture(count=count))
    assert (photo.icc, photo.notices) == (None, [])


@needs_heif
def test_ten_bits_are_stretched_to_sixteen_and_their_colours_become_a_profile() -> None:
    photo = read_photo(FOLDER / "deep.heic", "it")
    assert np.abs(photo.samples.astype(float) - picture(white=1023) * (65535 / 1023)).max() <= 1
    assert photo.icc is not None
    assert photo.notices == ["What the file tells of its colours (CICP 9/13) became a colour profile."]


@needs_heif
def test_a_lossy_picture_is_close() -> None:
    photo = read_photo(FOLDER / "lossy.heic", "it")
    luma = np.array([0.299, 0.587, 0.114])  # colours have half the resolution
    assert np.abs(photo.samples @ luma - picture() @ luma).mean() < 1


@needs_heif
def test_the_file_turns_the_picture_once_whatever_exif_says() -> None:
    photo = read_photo(FOLDER / "all.heic", "it")
    assert np.array_equal(photo.samples, np.rot90(picture(), -1))
    assert exif.orientation(photo.exif) == 1
    assert photo.notices == ["Only one of 2 pictures in the file is enlarged; 1 left out."]


@pytest.mark.parametrize(("brands", "kind"), [
    ((b"heic", b"mif1"), "HEIC"), ((b"mif1", b"miaf", b"heic"), "HEIC"), ((b"mif1", b"avif"), "AVIF"),
    ((b"avif", b"heic"), "AVIF"), ((b"isom", b"mp42"), None),
])  # fmt: skip
def test_the_first_brand_that_tells_a_format_decides(brands: tuple[bytes, ...], kind: str | None) -> None:
    contents = b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
    assert kind_of((struct.pack(">I", len(contents) + 4) + contents).ljust(64, b"\0")) == kind


def test_without_pi_heif_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    with pytest.raises(NotAnImage, match=r'is HEIC; reading it needs the package pi-heif .pip install "neural-upscale'):
        read_photo(FOLDER / "grey.heic", "it")


@needs_heif
def test_sizes_beyond_the_limit_are_refused_by_the_header_alone() -> None:
    contents = (FOLDER / "grey.heic").read_bytes()
    size = b"ispe" + bytes(4)
    with pytest.raises(TooLarge, match=r"56×40 = 0\.0 megapixels, the limit is 0\.002"):
        read_photo(contents, "it", 2000)
    huge = contents.replace(size + struct.pack(">II", 64, 64), size + struct.pack(">II", 30_000, 30_000))
    with pytest.raises(TooLarge, match="30000×30000"):  # cut to 56×40 once it is decoded
        read_photo(huge, "it", 1_000_000)
    small = contents.replace(size + struct.pack(">II", 64, 64), size + struct.pack(">II", 8, 8))
    with pytest.raises(NotAnImage, match="image size"):  # more pixels than the file tells
        read_photo(small, "it", 1_000_000)


@needs_heif
def test_shorter_and_damaged_files_are_a_sentence_even_where_libheif_crashes() -> None:
    contents = (FOLDER / "all.heic").read_bytes()
    random = np.random.default_rng(0)
    with Decoder() as decoder:
        for length in range(12, len(contents), 301):
            damaged = bytearray(contents)
            damaged[length] ^= int(random.integers(1, 256))
            for each in (contents[:length], bytes(damaged)):
                with contextlib.suppress(NotAnImage, TooLarge):
                    decoder.read(each, "it", 1_000_000)
