"""GIMP's interface as the plug-in uses it; what is odd about it is known here only.

- A plain format name ("R'G'B' u8") means sRGB, and GEGL converts to it; the name that carries the layer's own space
  leaves the values alone.
- `Gegl.Buffer.set` is quick with `bytes` only, takes a wrong length without a word, and ends the process at an unknown
  format name.
- Functions that fail return False and leave their reason in the procedure database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gi.repository import Babl, Gegl, Gimp

from . import client
from .client import Region
from .errors import EditorFailed
from .i18n import _

STRIP = 1 << 24  # bytes read or written at once, so that no second copy of a picture is made
DEPTHS = {"u8": "u8", "u16": "u16", "half": "f16", "float": "f32"}  # babl's name → the protocol's
WIDEST = "float"  # what u32 and double are sent as: the generator's own precision


@dataclass(frozen=True)
class Encoding:
    """How a drawable's pixels are sent."""

    wire: client.PixelFormat  # the same in the protocol's words
    babl: str  # babl's name, with the drawable's colour space: reading and writing by it converts nothing but depth


def encoding_of(drawable: Any, image: Any) -> Encoding:
    """Return how a drawable is sent: in its own depth where the protocol has that, else in float; indexed as RGB."""
    kept = drawable.get_format()
    if drawable.is_indexed():
        model, sample = "R'G'B'A" if drawable.has_alpha() else "R'G'B'", "u8"
    else:
        model, sample = Babl.format_get_encoding(kept).rsplit(" ", 1)
    sample = sample if sample in DEPTHS else WIDEST
    grey, alpha = model.startswith("Y"), model.endswith("A")
    layout = ("GRAY" if grey else "RGB") + ("A" if alpha else "")
    # The primes mean "with the profile's own curve", which may be none; tildes always mean the sRGB curve.
    linear = "~" not in model and ("'" not in model or image.get_effective_color_profile().is_linear())
    wire = client.PixelFormat(layout, DEPTHS[sample], "linear" if linear else "perceptual")
    return Encoding(wire, Babl.get_name(Babl.format_with_space(f"{model} {sample}", kept)))


def region_of(drawable: Any) -> Region:
    """Return where a drawable lies in its image."""
    _, x, y = drawable.get_offsets()
    return Region(x, y, drawable.get_width(), drawable.get_height())


def read(drawable: Any, region: Region, encoding: Encoding) -> bytearray:
    """Read pixels.

    Args:
        drawable: a layer, group, mask or selection.
        region: what to read, in the drawable's own coordinates.
        encoding: as what.

    Returns:
        The pixels, rows without padding.
    """
    buffer = drawable.get_buffer()
    pixels = bytearray()
    for strip in _strips(region, encoding):
        rectangle = Gegl.Rectangle.new(strip.x, strip.y, strip.width, strip.height)
        pixels += buffer.get(rectangle, 1.0, encoding.babl, Gegl.AbyssPolicy.NONE)
    return pixels


def take_samples(layer: Any, encoding: Encoding) -> client.Samples:
    """Read the squares of a layer by which its cleanup is estimated."""
    size = region_of(layer).size
    return client.take_samples(lambda region: read(layer, region, encoding), size, encoding.wire)


def write(buffer: Any, region: Region, encoding: Encoding, pixels: Any) -> None:
    """Write pixels into a buffer, outside of the undo history.

    Args:
        buffer: a Gegl.Buffer: a drawable's own or its shadow.
        region: where to, in the drawable's own coordinates.
        encoding: what the pixels are.
        pixels: bytes-like, rows without padding.

    Raises:
        EditorFailed: the number of bytes is not the region's.
    """
    expected = encoding.wire.byte_count(region.size)
    if len(pixels) != expected:
        raise EditorFailed(
            _("{got} bytes of pixels came for {region}, expected {expected}; please report this.").format(
                got=len(pixels), region=region, expected=expected
            )
        )
    view = memoryview(pixels)
    row = region.width * encoding.wire.bytes_per_pixel
    for strip in _strips(region, encoding):
        first = (strip.y - region.y) * row
        rectangle = Gegl.Rectangle.new(strip.x, strip.y, strip.width, strip.height)
        buffer.set(rectangle, encoding.babl, bytes(view[first : first + strip.height * row]))
    buffer.flush()


def fill(drawable: Any, encoding: Encoding, pixels: Any) -> None:
    """Write all pixels of a drawable, outside of the undo history, and have GIMP show them."""
    whole = Region(0, 0, drawable.get_width(), drawable.get_height())
    write(drawable.get_buffer(), whole, encoding, pixels)
    drawable.update(0, 0, whole.width, whole.height)


def must(done: Any, what: str) -> Any:
    """Return what a GIMP function returned; raise EditorFailed, with GIMP's reason, when that is False or nothing."""
    if done is False or done is None:
        reason = Gimp.get_pdb().get_last_error()
        raise EditorFailed(
            _("GIMP could not {what}: {reason} Undo, if the image changed, and try again.").format(
                what=what, reason=reason
            )
        )
    return done


def new_layer(image: Any, name: str, size: client.Size, layout: str) -> Any:
    """Make a layer that is in no image yet, in the image's precision."""
    kinds = {
        "RGB": Gimp.ImageType.RGB_IMAGE,
        "RGBA": Gimp.ImageType.RGBA_IMAGE,
        "GRAY": Gimp.ImageType.GRAY_IMAGE,
        "GRAYA": Gimp.ImageType.GRAYA_IMAGE,
    }
    layer = Gimp.Layer.new(image, name, size.width, size.height, kinds[layout], 100.0, Gimp.LayerMode.NORMAL)
    return must(layer, _("make a layer"))


def new_image(like: Any, size: client.Size) -> Any:
    """Make an image with another's precision, profiles, resolution and metadata; indexed becomes RGB."""
    kind = like.get_base_type()
    kind = Gimp.ImageBaseType.RGB if kind == Gimp.ImageBaseType.INDEXED else kind
    image = must(Gimp.Image.new_with_precision(size.width, size.height, kind, like.get_precision()), _("make an image"))
    profile, metadata, comment = like.get_color_profile(), like.get_metadata(), like.get_parasite("gimp-comment")
    if profile is not None:
        image.set_color_profile(profile)
    proof = like.get_simulation_profile()
    if proof is not None:
        image.set_simulation_profile(proof)
    image.set_simulation_intent(like.get_simulation_intent())
    image.set_simulation_bpc(like.get_simulation_bpc())
    _found, across, down = like.get_resolution()
    image.set_resolution(across, down)
    image.set_unit(like.get_unit())
    if metadata is not None:
        image.set_metadata(metadata)
    if comment is not None:
        image.attach_parasite(comment)
    return image


@contextmanager
def scratch(image: Any) -> Iterator[Any]:
    """Yield an image that is nobody's and deleted afterwards."""
    try:
        yield image
    finally:
        image.delete()


@contextmanager
def one_undo_step(image: Any) -> Iterator[None]:
    """Make everything in the block one step of the undo history, scaling done by the cubic method."""
    Gimp.context_push()
    image.undo_group_start()
    try:
        Gimp.context_set_interpolation(Gimp.InterpolationType.CUBIC)
        yield
    finally:
        image.undo_group_end()
        Gimp.context_pop()


def _strips(region: Region, encoding: Encoding) -> Iterator[Region]:
    rows = max(1, STRIP // (region.width * encoding.wire.bytes_per_pixel))
    for top in range(0, region.height, rows):
        yield Region(region.x, region.y + top, region.width, min(rows, region.height - top))
