"""One run on paper: what is sent, and how the answer becomes the pixels that are placed."""

from __future__ import annotations

from dataclasses import dataclass, field

from .. import client
from ..host import scratch
from ..settings import Settings
from ..source import Source
from .blend import fade, through_mask
from .exchange import from_answer, to_send
from .masks import enlarge_mask


@dataclass(frozen=True)
class Plan:
    """Everything that the worker thread needs, so that it never touches Krita."""

    source: Source  # what was taken
    settings: Settings  # the user's choices
    sent: bytes | bytearray = field(repr=False)  # the pixels for the server, in `source.format`
    # with a selection and output "enlarge": the wanted part as Krita enlarges it
    enlarged: bytes = field(repr=False, default=b"")
    mask: bytes = field(repr=False, default=b"")  # the selection, enlarged, one byte a pixel; empty without one

    @property
    def options(self) -> client.Options:
        """Return what the server is asked for."""
        settings = self.settings
        return client.Options(settings.model, settings.detail, settings.cleanup, self.source.asked.size)

    @property
    def promised(self) -> int:
        """Return how many bytes the server will answer."""
        return self.source.format.byte_count(self.source.asked.size)


def make(source: Source, settings: Settings) -> Plan:
    """Prepare a run. Main thread: Krita converts and enlarges here."""
    sent = to_send(source)
    if source.selection is None:
        return Plan(source, settings, sent)
    mask = enlarge_mask(source.mask, source.selection, source.target.size)
    if settings.output != "enlarge":
        return Plan(source, settings, sent, mask=mask)
    enlarged = scratch.enlarge_part(source.pixels, source.region, source.space, source.enlargement, source.target)
    return Plan(source, settings, sent, enlarged, mask)


def finish(plan: Plan, answer: bytes | bytearray) -> bytes | bytearray:
    """Turn the server's answer into the pixels to place: of `source.target`, in the layer's colour space.

    Runs in the worker thread, unless Krita has to convert the answer (`source.is_direct` is False).
    """
    pixels = from_answer(plan.source, plan.sent, answer)
    if plan.source.selection is None:
        return pixels
    if plan.settings.output == "enlarge":
        return through_mask(plan.enlarged, pixels, plan.mask, plan.source.space)
    return fade(pixels, plan.mask, plan.source.space)
