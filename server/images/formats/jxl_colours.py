"""What the colours of a JPEG XL mean, as a colour profile, both ways.

imagecodecs neither tells nor takes a profile. A file's numbers become one; one is written by taking it, as libjxl has
packed it, out of a small picture that was a JPEG with that profile.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.errors import NotAnImage
from server.images.formats import codecs, jpeg, jxl_boxes, jxl_header
from server.images.formats.jxl_header import GREY, LINEAR, SRGB_PRIMARIES, SRGB_TRANSFER, Header
from server.images.metadata import icc as profiles
from server.images.photo import Photo

CICP = {1: 1, 9: 9, 11: 12}  # primaries of the format, as ISO/IEC 23091-2 numbers them
SMALL = 8  # pixels
SIZES = ((8, 8), (16, 8), (9, 9), (9, 17), (520, 520))  # their headers end at every bit of a byte
WHAT = "JPEG XL"


def profile_of(header: Header) -> tuple[bytes | None, list[str]]:
    """Return the profile of a picture's decoded samples, None for sRGB; and sentences about what could not be kept."""
    colours, count = header.colours, 1 if header.colours.space == GREY else 3
    if colours.has_profile and header.is_xyb:
        return profiles.of_gamma(1.0, None, count), [
            "The colour profile was left out: it is packed in a way that is not read; the colours are linear sRGB now.",
        ]  # fmt: skip
    if colours.has_profile:
        return None, [
            "The colour profile was left out: it is packed in a way that is not read; the colours may be off.",
        ]  # fmt: skip
    standard = colours.primaries if isinstance(colours.primaries, int) else None
    if (standard, colours.transfer) == (SRGB_PRIMARIES, SRGB_TRANSFER):
        return None, []
    if isinstance(colours.transfer, int):
        of_numbers = profiles.of_cicp(bytes([CICP.get(standard or 0, 2), colours.transfer % 256, 0, 1]), count)
        if of_numbers is not None:
            return of_numbers, []
    primaries = jxl_header.PRIMARIES.get(standard or 0) or colours.primaries
    if isinstance(primaries, int) or not all(0 < each < 1 for each in (*colours.white, *primaries)):
        return None, ["Colours of an unknown kind were taken as sRGB."]
    if colours.transfer == SRGB_TRANSFER:
        return profiles.srgb((*colours.white, *primaries), count), []
    exponent = colours.transfer if isinstance(colours.transfer, float) else 1.0 if colours.transfer == LINEAR else 0.0
    if not 0.05 < exponent <= 1:
        return None, ["Colours of an unknown kind were taken as sRGB."]
    return profiles.of_gamma(1 / exponent, (*colours.white, *primaries), count), []


def with_profile(codestream: bytes, photo: Photo) -> tuple[bytes, list[str]]:
    """Write a photo's colours into a codestream without loss.

    Args:
        codestream: as imagecodecs wrote it.
        photo: whose profile, or whose linear light.

    Returns:
        The codestream, and sentences about what could not be kept.
    """
    is_grey = photo.samples.shape[2] <= 2
    notices = []
    if photo.icc is not None:
        donor = _donor_of(photo.icc, is_grey)
        pad = _pad_of(donor, is_grey)
        if pad is not None:
            return jxl_header.with_colours(codestream, donor, pad), []
        notices = ["The colour profile was left out: it could not be packed."]
    dtype = np.float32 if photo.pixel_format.transfer == "linear" else np.uint8
    return jxl_header.with_colours(codestream, _encoded(_flat((SMALL, SMALL), is_grey, dtype))), notices


def _flat(size: tuple[int, int], is_grey: bool, dtype: Any) -> NDArray[Any]:
    return np.full(size if is_grey else (*size, 3), 77, dtype)


def _encoded(samples: NDArray[Any]) -> bytes:
    return jxl_boxes.codestream_of(jxl_boxes.of(codecs.encoded("jpegxl_encode", samples, lossless=True)))


def _donor_of(icc: bytes, is_grey: bool) -> bytes:
    """Return the header, with the profile, of a small picture: libjxl puts them into a box of their own."""
    file, flat = io.BytesIO(), np.atleast_3d(_flat((SMALL, SMALL), is_grey, np.uint8))
    jpeg.write(Photo(flat, icc=icc), flat, file)
    boxes = jxl_boxes.of(codecs.encoded("jpegxl_encode_jpeg", file.getvalue(), usecontainer=True))
    return next((body[4:] for name, body in boxes if name == b"jxlp"), b"")


def _pad_of(donor: bytes, is_grey: bool) -> int | None:
    """Return how many bits fill the donor's last byte: those with which libjxl reads it behind headers of any length.

    Args:
        donor: with a profile.
        is_grey: whether that is for grey.

    Returns:
        0…7; None where libjxl cannot read it at all.
    """
    flat = [_flat(size, is_grey, dtype) for size in SIZES for dtype in (np.uint8, np.uint16)]
    tried = [(samples, _encoded(samples)) for samples in flat]
    for pad in range(8):
        try:
            for samples, codestream in tried:
                changed = jxl_header.with_colours(codestream, donor, pad)
                if not np.array_equal(codecs.decoded("jpegxl_decode", changed, "it", WHAT), samples):
                    break
            else:
                return pad
        except (jxl_header.Damaged, NotAnImage):
            continue
    return None
