"""The three ways to put the results into the document. All pixels are in hand before the first change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from gi.repository import Gimp

from . import client, effects, host, layers, masks
from .client import Region
from .effects import Effect
from .i18n import _
from .layers import Attributes
from .masks import Mask
from .source import Job, Source


@dataclass(frozen=True)
class Result:
    """One layer's result: the enlarged pixels of `source.sent`, in its encoding."""

    source: Source
    pixels: Any = field(repr=False)

    def part(self, region: Region) -> Any:
        """Return the enlarged pixels of a part of `source.sent`."""
        of, bytes_per_pixel = self.source.growth.of, self.source.encoding.wire.bytes_per_pixel
        return client.cut(self.pixels, of(self.source.sent), of(region), bytes_per_pixel)

    @property
    def place(self) -> Region:
        """Return where it lies in the image that holds it."""
        return self.source.growth.of(self.source.wanted)

    @property
    def effects(self) -> list[Effect]:
        """Return the layer's effects for the result."""
        return [effects.enlarged(each, self.source.growth.factors[0]) for each in self.source.effects]


@dataclass(frozen=True)
class _Successor:
    """What is needed to put a result in its layer's place."""

    result: Result  # the result
    parent: Any  # the group that the layer is in, or None
    position: int  # the layer's place among its siblings
    # the layer keeps its place until its successor is beside it: GIMP cuts the mask of a group to what is left in it
    stays: bool
    attributes: Attributes  # what the layer is besides its pixels
    mask: Mask | None  # its layer mask, enlarged


def place(job: Job, results: list[Result], output: str) -> Any:
    """Put the results into the document, as one undo step.

    Args:
        job: what was taken from the image.
        results: one for each of its sources.
        output: one of settings.OUTPUTS.

    Returns:
        The image that holds the results.

    Raises:
        EditorFailed: GIMP refused something.
    """
    if output == "new":
        return _as_new_image(job, results)
    with host.one_undo_step(job.image):
        if job.image.get_base_type() == Gimp.ImageBaseType.INDEXED:
            host.must(job.image.convert_rgb(), _("turn the indexed image into RGB"))
        if job.selection is None:
            _replace(job, results, whole_image=output == "enlarge")
        elif output == "enlarge":
            _blend(job, results)
        else:
            _add_patches(job.image, results, job.selection)
    return job.image


def _as_new_image(job: Job, results: list[Result]) -> Any:
    """Make a new image of the results, which lie in it as they did in theirs."""
    around = Region(0, 0, 0, 0)
    for each in results:
        around = around.united(each.source.wanted)
    places, canvas = [], Region(0, 0, 0, 0)
    for each in results:
        corner = each.source.wanted.moved(-around.x, -around.y).scaled(*job.growth.factors)
        places.append(Region(corner.x, corner.y, each.place.width, each.place.height))
        canvas = canvas.united(places[-1])
    image = host.new_image(job.image, client.Size(canvas.right, canvas.bottom))
    image.undo_disable()
    for result, place in zip(results, places, strict=True):
        layer = _layer_of(image, result)
        image.insert_layer(layer, None, len(image.get_layers()))
        layer.set_offsets(place.x, place.y)
        _dress(layer, result, job.selection)
    image.undo_enable()
    return image


def _replace(job: Job, results: list[Result], *, whole_image: bool) -> None:
    """Put each result in its layer's place; layers that may go are out of the image while GIMP scales the rest."""
    image = job.image
    successors = sorted((_successor(image, each) for each in results), key=lambda each: each.position)
    for each in successors:
        if not each.stays:
            host.must(image.remove_layer(each.result.source.layer), _("take the layer out"))
    if whole_image:
        _scale(job)
    made = []
    for each in successors:
        layer = _layer_of(image, each.result)
        host.must(image.insert_layer(layer, each.parent, each.position), _("insert the layer"))
        layer.set_offsets(each.result.place.x, each.result.place.y)
        if each.stays:
            host.must(image.remove_layer(each.result.source.layer), _("take the layer out"))
        effects.add(layer, each.result.effects)
        layers.set_attributes(layer, each.attributes, each.mask)
        made.append(layer)
    image.set_selected_layers(made)


def _scale(job: Job) -> None:
    """Let GIMP scale the whole image."""
    size = job.growth.after.size
    host.must(job.image.scale(size.width, size.height), _("scale the image"))


def _blend(job: Job, results: list[Result]) -> None:
    """Scale the image, then blend each result in through the selection, which was scaled with it."""
    targets = [_paintable(job.image, each.source) for each in results]
    _scale(job)
    for result, layer in zip(results, targets, strict=True):
        source = result.source
        locked = layers.unlocked(layer)
        whole = source.growth.after
        inside = source.growth.of(source.blended).moved(-whole.x, -whole.y)
        host.write(layer.get_shadow_buffer(), inside, source.encoding, result.part(source.blended))
        host.must(layer.merge_shadow(True), _("blend the result in"))
        layer.update(inside.x, inside.y, inside.width, inside.height)
        if locked:
            layer.set_lock_content(True)


def _paintable(image: Any, source: Source) -> Any:
    """Return a layer of the same looks that can be painted on: itself, or its rendered pixels.

    Those of a layer that GIMP would render anew as it scales, and of one whose effects became part of the result.
    """
    layer = source.layer
    if not layers.is_rendered(layer) and not source.merged:
        return layer
    kept = layers.attributes_of(layer)
    parent, position = layer.get_parent(), image.get_item_position(layer)
    pixels = effects.read(layer, source.region, source.encoding, merged=source.merged)
    image.remove_layer(layer)
    plain = host.new_layer(image, source.name, source.region.size, source.encoding.wire.layout)
    host.fill(plain, source.encoding, pixels)
    host.must(image.insert_layer(plain, parent, position), _("insert the layer"))
    plain.set_offsets(source.region.x, source.region.y)
    effects.add(plain, source.effects)
    layers.set_attributes(plain, kept, kept.mask)
    return plain


def _add_patches(image: Any, results: list[Result], selection: Mask) -> None:
    """Put each result above its layer, as a new layer about the selection's top-left corner."""
    for each in results:
        source = each.source
        factor = f"{source.growth.factors[0]:.3g}"
        layer = _layer_of(image, each, _("{name} x{factor}").format(name=source.name, factor=factor))
        position = image.get_item_position(source.layer)
        host.must(image.insert_layer(layer, source.layer.get_parent(), position), _("insert the layer"))
        layer.set_offsets(source.wanted.x, source.wanted.y)
        masks.become_alpha(layer, masks.enlarged(masks.part(selection, source.wanted), each.place))


def _dress(layer: Any, result: Result, selection: Mask | None) -> None:
    """Put the selection on a layer of a new image as alpha, and all its source has besides pixels; it is visible."""
    source = result.source
    if selection is not None:
        masks.become_alpha(layer, masks.enlarged(masks.part(selection, source.wanted), result.place))
    effects.add(layer, result.effects)
    if not source.layer.is_valid():  # deleted while the server worked
        return
    kept = layers.attributes_of(source.layer)
    mask = None
    if kept.mask is not None and host.region_of(source.layer) == source.region:
        inside = source.wanted.moved(-source.region.x, -source.region.y)
        mask = masks.enlarged(masks.part(kept.mask, inside), result.place)
    layers.set_attributes(layer, replace(kept, values={**kept.values, "visible": True}), mask)


def _successor(image: Any, result: Result) -> _Successor:
    layer = result.source.layer
    kept = layers.attributes_of(layer)
    mask = masks.enlarged(kept.mask, result.place) if kept.mask is not None else None
    stays = any(each.get_mask() is not None for each in layers.groups_around(layer))
    return _Successor(result, layer.get_parent(), image.get_item_position(layer), stays, kept, mask)


def _layer_of(image: Any, result: Result, name: str = "") -> Any:
    source = result.source
    layer = host.new_layer(image, name or source.name, result.place.size, source.encoding.wire.layout)
    host.fill(layer, source.encoding, result.part(source.wanted))
    return layer
