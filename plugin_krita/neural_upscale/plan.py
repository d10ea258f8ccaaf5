"""One run on paper: what is sent, and how the answer becomes the pixels that are placed."""

from __future__ import annotations

from dataclasses import dataclass, field

from . import capture, scratch
from .blend import fade, through_mask
from .capture import Source
from .masks import enlarge_mask
from .options import Options
from .shared import cut


@dataclass(frozen=True)
class Plan:
    """Everything that the worker thread needs, so that it never touches Krita.

    Attributes:
        source: what was taken.
        options: the user's choices.
        sent: the pixels for the server, in `source.format`.
        enlarged: with a selection and output "enlarge": the wanted part as Krita enlarges it.
        mask: the selection ×2, one byte a pixel; empty without one.
    """

    source: Source
    options: Options
    sent: bytes | bytearray = field(repr=False)
    enlarged: bytes = field(repr=False, default=b"")
    mask: bytes = field(repr=False, default=b"")


def make(source: Source, options: Options) -> Plan:
    """Prepare a run. Main thread: Krita converts and enlarges here."""
    sent = capture.to_send(source)
    if source.selection is None:
        return Plan(source, options, sent)
    mask = enlarge_mask(source.mask, source.selection)
    if options.output != "enlarge":
        return Plan(source, options, sent, mask=mask)
    around = scratch.enlarge(source.pixels, source.region.size, source.space)
    enlarged = cut(around, source.region.doubled(), source.wanted.doubled(), source.space.bytes_per_pixel)
    return Plan(source, options, sent, enlarged, mask)


def finish(plan: Plan, answer: bytes | bytearray) -> bytes | bytearray:
    """Turn the server's answer into the pixels to place: of `source.wanted` ×2, in the layer's colour space.

    Runs in the worker thread, unless Krita has to convert the answer (`source.is_direct` is False).
    """
    pixels = capture.from_answer(plan.source, answer)
    if plan.source.selection is None:
        return pixels
    if plan.options.output == "enlarge":
        return through_mask(plan.enlarged, pixels, plan.mask, plan.source.space)
    return fade(pixels, plan.mask, plan.source.space)
