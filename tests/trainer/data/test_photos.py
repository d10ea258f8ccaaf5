"""Reading photos: every usual kind arrives upright, as 8-bit sRGB; a broken file says why."""

from __future__ import annotations

import contextlib
import io
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageCms

from tests.trainer.conftest import deep_png
from trainer.data.slicing.photos import read_photo, reductions_of
from trainer.data.slicing.png import encode_png
from trainer.errors import PhotoError
from trainer.srgb import linear_to_srgb, srgb_to_linear

COLOUR = np.random.default_rng(3).integers(0, 256, (6, 9, 3), dtype=np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x0110] = "Camera"
    Image.fromarray(np.ascontiguousarray(undo(COLOUR))).save(tmp_path / "p.png", exif=exif)
    photo = read_photo(tmp_path / "p.png")
    np.testing.assert_array_equal(photo.pixels, COLOUR)
    assert photo.camera == "Camera"


def test_grey_comes_as_three_equal_channels(tmp_path: Path) -> None:
    Image.fromarray(COLOUR[..., 0]).save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "p.png").pixels, np.repeat(COLOUR[..., :1], 3, axis=2))


def test_transparency_is_marked(tmp_path: Path) -> None:
    alpha = np.full((6, 9, 1), 255, dtype=np.uint8)
    alpha[2, 3] = 254
    Image.fromarray(np.concatenate([COLOUR, alpha], axis=2)).save(tmp_path / "p.png")
    photo = read_photo(tmp_path / "p.png")
    np.testing.assert_array_equal(photo.pixels, COLOUR)
    assert photo.opaque is not None
    assert np.argwhere(~photo.opaque).tolist() == [[2, 3]]


def test_a_palette_is_looked_up_and_its_transparency_kept(tmp_path: Path) -> None:
    indexed = Image.fromarray(COLOUR).quantize(16)
    indexed.save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "p.png").pixels, np.asarray(indexed.convert("RGB")))
    indexed.save(tmp_path / "t.png", transparency=0)
    opaque = read_photo(tmp_path / "t.png").opaque
    assert opaque is not None
    np.testing.assert_array_equal(opaque, np.asarray(indexed) != 0)


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    Image.fromarray(np.full((16, 16, 3), (200, 100, 50), dtype=np.uint8)).convert("CMYK").save(tmp_path / "p.tif")
    assert np.abs(read_photo(tmp_path / "p.tif").pixels.astype(int) - (200, 100, 50)).max() <= 1


@pytest.mark.parametrize("dtype", ["uint16", "float32", "uint8"])
@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 3), (6, 9, 4)], ids=["grey", "rgb", "rgba"])
def test_deep_tiff_is_rounded_to_eight_bits(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    fine = np.random.default_rng(0).random(shape)
    if len(shape) == 3 and shape[2] == 4:
        fine[..., 3] = 1
    full = {"uint16": 65535, "float32": 1, "uint8": 255}[dtype]
    samples = (np.rint(fine * full) if full > 1 else fine).astype(dtype)
    tifffile.imwrite(
        tmp_path / "p.tif",
        samples,
        photometric="minisblack" if len(shape) == 2 else "rgb",
        extrasamples=["unassalpha"] if shape[-1] == 4 and len(shape) == 3 else None,
    )
    expected = fine[..., :3] * 255 if len(shape) == 3 else np.repeat(fine[..., None], 3, axis=2) * 255
    assert np.abs(read_photo(tmp_path / "p.tif").pixels - expected).max() <= 0.51


def test_sixteen_bit_grey_png_is_rounded_to_eight_bits(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (6, 9), dtype=np.uint16)
    Image.fromarray(samples).save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "p.png").pixels[..., 1], np.rint(samples / 257))


@pytest.mark.parametrize("channels", [3, 4], ids=["rgb", "rgba"])
def test_sixteen_bit_colour_png_comes_within_one_of_eight_bits(tmp_path: Path, channels: int) -> None:
    samples = np.random.default_rng(0).integers(0, 65536, (6, 9, channels), dtype=np.uint16)
    samples[0, 0], samples[0, 1] = 0, 65535
    (tmp_path / "p.png").write_bytes(deep_png(samples))
    photo = read_photo(tmp_path / "p.png")
    assert np.abs(photo.pixels - samples[..., :3] / 257).max() < 1
    assert photo.pixels[0, :2].tolist() == [[0] * 3, [255] * 3]
    assert (photo.opaque is None) == (channels == 3)


def test_another_colour_space_is_converted_to_srgb(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(COLOUR).save(tmp_path / "p.png", icc_profile=lab)
    assert np.abs(read_photo(tmp_path / "p.png").pixels.astype(int) - COLOUR).max() <= 1
    Image.fromarray(COLOUR).save(tmp_path / "broken.png", icc_profile=b"no profile")
    np.testing.assert_array_equal(read_photo(tmp_path / "broken.png").pixels, COLOUR)


def test_the_same_photo_in_another_file_has_the_same_hash(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    Image.fromarray(COLOUR).save(tmp_path / "b.tif")
    Image.fromarray(COLOUR[:, ::-1]).save(tmp_path / "c.png")
    hashes = [read_photo(tmp_path / name).content_hash for name in ("a.png", "b.tif", "c.png")]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("content", [b"", b"text\n", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II*\0\x08\0\0\0"])
@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_a_broken_file_says_why(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"p{suffix}"
    path.write_bytes(content)
    with pytest.raises(PhotoError, match=r"\w"):
        read_photo(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_never_raises_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    kind = data.draw(st.sampled_from(["png", "jpg", "tif", "webp", "gif"]))
    Image.fromarray(COLOUR).save(folder / f"p.{kind}")
    content = bytearray((folder / f"p.{kind}").read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / f"p.{kind}").write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with contextlib.suppress(PhotoError):
        assert read_photo(folder / f"p.{kind}").pixels.dtype == np.uint8


@pytest.mark.parametrize("factor", [2, 3, 4, 6, 8])
def test_reduction_equals_the_mean_of_light(factor: int) -> None:
    pixels = np.random.default_rng(factor).integers(0, 256, (50, 67, 3), dtype=np.uint8)
    height, width = 50 // factor, 67 // factor
    light = srgb_to_linear(pixels[: height * factor, : width * factor] / 255)
    expected = linear_to_srgb(light.reshape(height, factor, width, factor, 3).mean(axis=(1, 3))) * 255
    (came, reduced), *_ = [pair for pair in reductions_of(pixels, (1, 2, 3, factor), 1) if pair[0] == factor]
    assert came == factor
    assert np.abs(reduced - expected).max() < 0.56  # rounding to 8 bits, and 16-bit steps in between


@settings(max_examples=40, deadline=None)
@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_png_comes_back_unchanged(pixels: np.ndarray) -> None:
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_png(pixels)))), pixels)


def test_png_rows_use_the_sub_filter() -> None:
    body = encode_png(COLOUR)
    start = body.index(b"IDAT") + 4
    rows = zlib.decompress(body[start : body.index(b"IEND") - 8])
    assert {rows[index] for index in range(0, len(rows), 1 + 27)} == {1}
