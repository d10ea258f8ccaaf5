"""The pixels of a source between the layer's colour space and the one that the server takes. Main thread only."""

from __future__ import annotations

from .. import client
from ..host import scratch
from ..host.colour import DEPTHS, EXCHANGE
from ..source import Source
from .difference import shifted


def to_send(source: Source) -> bytes | bytearray:
    """Return the pixels in `source.format`."""
    if source.is_direct:
        return source.pixels
    return scratch.convert(source.pixels, source.region.size, source.space, EXCHANGE)


def in_own_space(source: Source, sent: bytes | bytearray, answer: bytes | bytearray) -> bytes | bytearray:
    """Return the pixels that the server answered (of `source.asked`) in the layer's colour space.

    Krita's conversions there and back shift colours visibly, so that only the difference that the network makes goes
    through them: the layer as Krita scales it, plus what the network makes of it less what Krita's scaling does.

    Args:
        source: what was taken.
        sent: its pixels in `source.format`.
        answer: what the server made of them.

    Returns:
        Pixels of the layer's colour space; `answer` itself when the server takes that space.
    """
    if source.is_direct:
        return answer
    before, after, space = source.region.size, source.asked.size, source.space
    base = scratch.enlarge(source.pixels, before, space, after)
    network = scratch.convert(answer, after, EXCHANGE, space)
    scaled = scratch.convert(scratch.enlarge(sent, before, EXCHANGE, after), after, EXCHANGE, space)
    return shifted(base, network, scaled, DEPTHS[space.depth])


def from_answer(source: Source, sent: bytes | bytearray, answer: bytes | bytearray) -> bytes | bytearray:
    """Return the same, cut to `source.target`."""
    own = in_own_space(source, sent, answer)
    wanted: bytes | bytearray = client.cut(own, source.asked, source.target, source.space.bytes_per_pixel)
    return wanted
