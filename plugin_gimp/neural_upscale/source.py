"""What a run takes from the image, as values, and whether the image is still so when the result is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from . import effects, host, masks, sizes
from .client import Enlargement, Region, Samples, fingerprint
from .effects import Effect
from .errors import Unsuitable
from .host import Encoding
from .i18n import _
from .layers import groups_around, has_pixels, order_of
from .masks import Mask
from .settings import LARGEST_SIDE, Settings

BLEND_MARGIN = 2  # pixels by which an enlarged selection may reach past its enlarged rectangle, before enlarging


@dataclass(frozen=True)
class Source:
    """What is taken from one layer. All regions are in the image's coordinates, as it is before."""

    layer: Any  # GIMP's layer
    name: str  # its name
    region: Region  # where the layer lies
    wanted: Region  # what is to be enlarged: the layer, or the rectangle in which the selection touches it
    sent: Region  # `wanted` with the margin of a blend and the context that the generator sees
    growth: Enlargement  # where all these regions lie in the result
    encoding: Encoding  # what the pixels are
    pixels: bytearray = field(repr=False)  # those of `sent`
    samples: Samples  # of the whole layer, by which its cleanup is estimated
    trace: bytes = field(repr=False)  # a hash of the layer's own pixels there, by which a change is noticed
    effects: list[Effect]  # the layer's effects that can be moved
    merged: bool  # the layer's effects are not moved but merged into `pixels`: they cannot be, or the result is a patch

    @property
    def blended(self) -> Region:
        """Return what an enlarged selection can let through: `wanted` and a margin, as far as the layer reaches."""
        return self.wanted.grown(BLEND_MARGIN).intersected(self.region)


@dataclass(frozen=True)
class Job:
    """One run's input."""

    image: Any  # GIMP's image
    sources: list[Source]  # one for each layer, the uppermost first
    selection: Mask | None  # None: nothing is selected
    growth: Enlargement  # of what masks.basis tells


def layers_among(image: Any, drawables: list[Any]) -> list[Any]:
    """Return the layers to work on: those selected, without the children of a group that is itself selected.

    Args:
        image: the image.
        drawables: what is selected in it.

    Returns:
        At least one layer.

    Raises:
        Unsuitable: a sentence that says what is selected instead.
    """
    if image.get_floating_sel() is not None:
        raise Unsuitable(_("There is a floating selection; anchor it or make it a layer first, then try again."))
    for each in drawables:
        if not each.is_layer():
            kind = _("a layer mask") if each.is_layer_mask() else _("a channel")
            raise Unsuitable(
                _("{kind}, “{name}”, is selected; select one or more layers and try again.").format(
                    kind=kind[:1].upper() + kind[1:], name=each.get_name()
                )
            )
    chosen = {each.get_id() for each in drawables}
    layers = [each for each in drawables if not chosen & {group.get_id() for group in groups_around(each)}]
    if not layers:
        raise Unsuitable(_("No layer is selected; select one or more layers and try again."))
    for each in layers:
        if not has_pixels(each):
            raise Unsuitable(
                _("The group “{name}” is empty; put a layer into it or select another one, and try again.").format(
                    name=each.get_name()
                )
            )
    return layers


def take(image: Any, layers: list[Any], settings: Settings) -> Job:
    """Read what a run needs.

    Args:
        image: GIMP's image.
        layers: from `layers_among`.
        settings: the user's choices, of which output and size matter here.

    Returns:
        The job.

    Raises:
        Unsuitable: the selection touches none of the layers, or the result would be larger than GIMP can hold.
        WrongSize: the size lies outside of ×1 … ×8.
    """
    area = masks.selected(image)
    touched = [each for each in layers if not masks.wanted_of(each, area).is_empty]
    if not touched:
        raise Unsuitable(_("The selection touches none of the selected layers; select nothing, or a part of a layer."))
    touched.sort(key=order_of)
    before = masks.basis(image, touched, settings.output)
    size = sizes.result_of(settings, before.size)
    growth = Enlargement(before, Region(0, 0, size.width, size.height))
    growths = [_growth(growth, each, area, settings.output) for each in touched]
    longest = max(side for each in [growth, *growths] for side in (each.after.width, each.after.height))
    if longest > LARGEST_SIDE:
        raise Unsuitable(
            _("The result would be {side} pixels long, and GIMP's limit is {limit}; select a smaller part.").format(
                side=longest, limit=LARGEST_SIDE
            )
        )
    patch = area is not None and settings.output != "enlarge"
    sources = [_take(image, each, area, grown, patch=patch) for each, grown in zip(touched, growths, strict=True)]
    return Job(image, sources, masks.take(image.get_selection(), area) if area is not None else None, growth)


def is_unchanged(job: Job) -> bool:
    """Return whether layers and selection are still where and what they were when they were taken."""
    area = masks.selected(job.image)
    if (area is None) != (job.selection is None):
        return False
    if area is not None and job.selection is not None:
        now = masks.take(job.image.get_selection(), area)
        if (now.region, now.values) != (job.selection.region, job.selection.values):
            return False
    return all(_is_same(each, job.image) for each in job.sources)


def _is_same(source: Source, image: Any) -> bool:
    layer = source.layer
    if not layer.is_valid() or layer.get_image() != image or host.region_of(layer) != source.region:
        return False
    encoding = host.encoding_of(layer, image)
    return encoding == source.encoding and _trace(layer, source.region, source.sent, encoding) == source.trace


def _growth(whole: Enlargement, layer: Any, area: Region | None, output: str) -> Enlargement:
    """Return where a layer lies in the result; of a patch, where that lies, since its size has to be exact."""
    before = host.region_of(layer) if output == "enlarge" else masks.wanted_of(layer, area)
    if output != "layer":
        return Enlargement(before, whole.of(before))
    size = Region(0, 0, before.width, before.height).scaled(*whole.factors)
    return Enlargement(before, size.moved(before.x, before.y))


def _take(image: Any, layer: Any, area: Region | None, growth: Enlargement, *, patch: bool) -> Source:
    region, wanted = host.region_of(layer), masks.wanted_of(layer, area)
    sent = growth.with_context(wanted.grown(BLEND_MARGIN), region)
    encoding = host.encoding_of(layer, image)
    found = effects.effects_of(layer)
    merged = bool(found) and (patch or not effects.can_move(layer, found))
    pixels = effects.read(layer, sent, encoding, merged=merged)
    trace = _trace(layer, region, sent, encoding) if merged else fingerprint(pixels)
    kept = [] if merged else found
    samples = host.take_samples(layer, encoding)
    return Source(layer, layer.get_name(), region, wanted, sent, growth, encoding, pixels, samples, trace, kept, merged)


def _trace(layer: Any, region: Region, sent: Region, encoding: Encoding) -> bytes:
    return fingerprint(host.read(layer, sent.moved(-region.x, -region.y), encoding))
