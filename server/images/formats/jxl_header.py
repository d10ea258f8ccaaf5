"""The header of a JPEG XL codestream (ISO/IEC 18181-1, 5 and 9), bit by bit: size, samples, colours; and other colours.

The pixels behind it begin at a byte of their own, so that a header can be written anew in front of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.client.protocol import Size

SIGNATURE = b"\xff\x0a"
LONGEST = 1 << 16  # bytes that are looked at
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # width to height
RGB, GREY = 0, 1
CUSTOM = 2  # white point or primaries
WHITES = {1: (0.3127, 0.3290), 10: (1 / 3, 1 / 3), 11: (0.314, 0.351)}
SRGB_PRIMARIES, SRGB_TRANSFER, LINEAR = 1, 13, 8
PRIMARIES = {
    SRGB_PRIMARIES: (0.639998686, 0.330010138, 0.300003784, 0.600003357, 0.150002046, 0.059997204),
    9: (0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
ALPHA, BLACK, PREMULTIPLIED = 0, 4, -1  # kinds of extra channels; the last one is ours
Distribution = tuple[tuple[int, int], ...]  # (offset, bits) for each of the four selectors of a U32
SIDE: Distribution = ((1, 9), (1, 13), (1, 18), (1, 30))
ENUM: Distribution = ((0, 0), (1, 0), (2, 4), (18, 6))
BITS: Distribution = ((8, 0), (10, 0), (12, 0), (1, 6))
BITS_OF_FLOAT: Distribution = ((32, 0), (16, 0), (24, 0), (1, 6))
COORDINATE: Distribution = ((0, 19), (524288, 19), (1048576, 20), (2097152, 21))


class Damaged(ValueError):
    """The header ends too early, or holds what no header does."""


@dataclass(frozen=True)
class Colours:
    """What the numbers of the samples mean."""

    space: int = RGB
    has_profile: bool = False  # whether a colour profile follows the header
    white: tuple[float, float] = WHITES[1]
    primaries: int | tuple[float, ...] = SRGB_PRIMARIES  # the standard's number, or x and y of red, green and blue
    transfer: int | float = SRGB_TRANSFER  # the standard's number, or an exponent below 1


@dataclass(frozen=True)
class Header:
    """What comes before the pixels; places are in bits."""

    size: Size  # as stored, not as shown
    bits: int  # of a sample
    is_float: bool
    extra: tuple[int, ...]  # kinds of the channels beside the colours; PREMULTIPLIED for such an alpha
    is_animated: bool
    is_xyb: bool  # whether the pixels are stored in a space of the format's own
    colours: Colours
    place_of_colours: tuple[int, int]
    end: int


class _Bits:
    """Reads bits, the lowest of a byte first."""

    def __init__(self, contents: bytes) -> None:
        self._value = int.from_bytes(contents[:LONGEST], "little")
        self._length = 8 * len(contents[:LONGEST])
        self.place = 0

    def take(self, count: int) -> int:
        if self.place + count > self._length:
            raise Damaged("it ends in its header")
        found = self._value >> self.place & ((1 << count) - 1)
        self.place += count
        return found

    def flag(self) -> bool:
        return bool(self.take(1))

    def number(self, distribution: Distribution) -> int:
        offset, bits = distribution[self.take(2)]
        return offset + self.take(bits)

    def long(self) -> int:
        """Read a U64."""
        selector = self.take(2)
        if selector < 3:
            return (0, 1, 17)[selector] + self.take((0, 4, 8)[selector])
        value, shift = self.take(12), 12
        while self.flag():
            count = 8 if shift < 60 else 4
            value |= self.take(count) << shift
            shift += 8
            if count == 4:
                break
        return value

    def coordinates(self, count: int) -> tuple[float, ...]:
        packed = [self.number(COORDINATE) for _ in range(count)]
        return tuple((each >> 1 ^ -(each & 1)) / 1e6 for each in packed)


def read(codestream: bytes) -> Header:
    """Read the header of a codestream that begins with its signature; raises `Damaged`."""
    bits = _Bits(codestream)
    bits.take(16)
    size = _size(bits)
    depth, is_float, extra, is_animated, is_xyb = 8, False, [], False, True
    colours, place = Colours(), (bits.place + 1, bits.place + 1)
    if not bits.flag():
        has_extra_fields = bits.flag()
        if has_extra_fields:
            bits.take(3)  # the orientation, which the decoder follows
            if bits.flag():
                _size(bits)
            is_animated = _preview_and_animation(bits)
        depth, is_float = _depth(bits)
        bits.take(1)
        for _ in range(bits.number(((0, 0), (1, 0), (2, 4), (1, 12)))):
            extra.append(_extra_channel(bits))
        is_xyb = bits.flag()
        start = bits.place
        colours = _colours(bits)
        place = start, bits.place
        if has_extra_fields and not bits.flag():  # tone mapping
            bits.take(49)
        _skip_extensions(bits)
    _skip_transforms(bits, is_xyb)
    return Header(size, depth, is_float, tuple(extra), is_animated, is_xyb, colours, place, bits.place)


def _size(bits: _Bits) -> Size:
    is_small = bits.flag()
    height = 8 * (bits.take(5) + 1) if is_small else bits.number(SIDE)
    ratio = bits.take(3)
    if ratio:
        above, below = RATIOS[ratio - 1]
        return Size(height * above // below, height)
    return Size(8 * (bits.take(5) + 1) if is_small else bits.number(SIDE), height)


def _preview_and_animation(bits: _Bits) -> bool:
    """Skip the preview's size and the animation's times; say whether there is an animation."""
    if bits.flag():  # the preview
        is_small = bits.flag()
        side: Distribution = ((1, 6), (65, 8), (321, 10), (1345, 12))
        side = ((16, 0), (32, 0), (1, 5), (33, 9)) if is_small else side
        bits.number(side)
        if not bits.take(3):
            bits.number(side)
    if not bits.flag():
        return False
    bits.number(((100, 0), (1000, 0), (1, 10), (1, 30)))
    bits.number(((1, 0), (1001, 0), (1, 8), (1, 10)))
    bits.number(((0, 0), (0, 3), (0, 16), (0, 32)))
    bits.take(1)
    return True


def _depth(bits: _Bits) -> tuple[int, bool]:
    is_float = bits.flag()
    depth = bits.number(BITS_OF_FLOAT if is_float else BITS)
    if is_float:
        bits.take(4)
    return depth, is_float


def _extra_channel(bits: _Bits) -> int:
    """Return the kind of an extra channel."""
    if bits.flag():
        return ALPHA
    kind = bits.number(ENUM)
    _depth(bits)
    bits.number(((0, 0), (3, 0), (4, 0), (1, 3)))
    bits.take(8 * bits.number(((0, 0), (0, 4), (16, 5), (48, 10))))
    if kind == ALPHA:
        return PREMULTIPLIED if bits.flag() else ALPHA
    if kind == 2:  # a spot colour
        bits.take(64)
    elif kind == 5:  # of a colour filter array
        bits.number(((1, 0), (0, 2), (3, 4), (19, 8)))
    return kind


def _colours(bits: _Bits) -> Colours:
    if bits.flag():
        return Colours()
    has_profile, space = bits.flag(), bits.number(ENUM)
    if has_profile or space not in (RGB, GREY):
        return Colours(space, has_profile)
    kind = bits.number(ENUM)
    white = bits.coordinates(2) if kind == CUSTOM else WHITES.get(kind, WHITES[1])
    primaries: int | tuple[float, ...] = SRGB_PRIMARIES
    if space == RGB:
        primaries = bits.number(ENUM)
        primaries = bits.coordinates(6) if primaries == CUSTOM else primaries
    transfer = bits.take(24) / 1e7 if bits.flag() else bits.number(ENUM)
    bits.number(ENUM)  # the rendering intent
    return Colours(space, False, (white[0], white[1]), primaries, transfer)


def _skip_extensions(bits: _Bits) -> None:
    which = bits.long()
    lengths = [bits.long() for each in range(64) if which >> each & 1]
    bits.take(sum(lengths))


def _skip_transforms(bits: _Bits, is_xyb: bool) -> None:
    if bits.flag():
        return
    if is_xyb and not bits.flag():
        bits.take(16 * 16)
    mask = bits.take(3)
    for index, count in enumerate((15, 55, 210)):
        if mask >> index & 1:
            bits.take(16 * count)


def with_colours(codestream: bytes, donor: bytes, pad: int = 0) -> bytes:
    """Put the colours of another codestream in place of a codestream's own.

    Args:
        codestream: without a profile; its pixels are stored as they are, in no space of the format's own.
        donor: the other one; where it has a profile, that ends where these bytes do.
        pad: bits behind the profile that only fill its last byte.

    Returns:
        The codestream with the donor's colours.
    """
    ours, theirs = read(codestream), read(donor)
    head = int.from_bytes(codestream[: -(-ours.end // 8)], "little")
    other = int.from_bytes(donor, "little")
    pieces = [
        (head, 0, ours.place_of_colours[0]),
        (other, *theirs.place_of_colours),
        (head, ours.place_of_colours[1], ours.end),
        (other, theirs.end, 8 * len(donor) - pad if theirs.colours.has_profile else theirs.end),
    ]
    value, length = 0, 0
    for source, start, end in pieces:
        value |= (source >> start & ((1 << end - start) - 1)) << length
        length += end - start
    return value.to_bytes(-(-length // 8), "little") + codestream[-(-ours.end // 8) :]
