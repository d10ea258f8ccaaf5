"""A layer's effects (non-destructive filters): moved to the layer that comes in its place, or merged in a copy.

An effect can be moved when a new one with the same settings gives the same pixels. That fails for an effect that was
applied to a selection, whose mask plug-ins cannot read, and for operations that plug-ins may not make.

An effect on a larger layer looks the same only when its lengths grow too. GEGL names the unit of most
settings that are lengths: `keeps_size` tells of the effects of which it names none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from gi.repository import Gegl, Gimp, GObject

from . import host
from .client import Region, fingerprint
from .errors import EditorFailed
from .host import Encoding
from .i18n import _

LENGTHS = ("pixel-distance", "pixel-coordinate")  # GEGL's units of settings that grow with the picture
POINTWISE = ("GeglOperationPointFilter", "GeglOperationPointComposer")


@dataclass(frozen=True)
class Effect:
    """One effect: GEGL's name of the operation, its own name, how it is blended, and its settings."""

    operation: str
    name: str
    opacity: float
    mode: Any
    visible: bool
    settings: dict[str, Any]


def effects_of(layer: Any) -> list[Effect]:
    """Read a layer's effects, the lowest first."""
    return [_read(each) for each in reversed(layer.get_filters())]


def can_move(layer: Any, effects: list[Effect]) -> bool:
    """Return whether these effects, made anew on a bare copy of their layer, give the pixels that the layer shows."""
    if not effects:
        return True
    with _bare_copy(layer, merge=True) as shown:
        wanted = _print(shown)
    with _bare_copy(layer, merge=False) as bare:
        try:
            add(bare, effects)
        except (TypeError, EditorFailed):  # the operation is not there for plug-ins
            return False
        bare.merge_filters()
        return _print(bare) == wanted


def enlarged(effect: Effect, factor: float) -> Effect:
    """Return the effect for a layer so many times as large: every length grows, as far as the operation allows."""
    settings = dict(effect.settings)
    for spec in _lengths(effect):
        length = min(max(settings[spec.name] * factor, spec.minimum), spec.maximum)
        settings[spec.name] = round(length) if isinstance(settings[spec.name], int) else length
    return replace(effect, settings=settings)


def has_size(effect: Effect) -> bool:
    """Return whether an effect's looks depend on the size of the layer in pixels."""
    return bool(_lengths(effect)) or not _is_pointwise(effect.operation)


def keeps_size(effect: Effect, factor: float) -> bool:
    """Return whether an effect looks smaller on a layer so many times as large, because not all of it could grow."""
    lengths = _lengths(effect)
    if lengths:
        return any(not spec.minimum <= effect.settings[spec.name] * factor <= spec.maximum for spec in lengths)
    return not _is_pointwise(effect.operation)


def add(layer: Any, effects: list[Effect]) -> None:
    """Append effects to a layer.

    Args:
        layer: in an image already.
        effects: as taken from its predecessor, or enlarged.

    Raises:
        TypeError: GIMP does not make such an effect.
    """
    for effect in effects:
        made = Gimp.DrawableFilter.new(layer, effect.operation, effect.name)
        settings = made.get_config()
        for name, value in effect.settings.items():
            settings.set_property(name, value)
        made.set_opacity(effect.opacity)
        made.set_blend_mode(effect.mode)
        made.set_visible(effect.visible)
        made.update()
        layer.append_filter(made)


def read(layer: Any, region: Region, encoding: Encoding, *, merged: bool) -> bytearray:
    """Read a layer's pixels without its effects, or with them merged in.

    Args:
        layer: the layer.
        region: what to read, in the image's coordinates.
        encoding: as what.
        merged: with the effects.

    Returns:
        The pixels, rows without padding.
    """
    if not merged:
        place = host.region_of(layer)
        return host.read(layer, region.moved(-place.x, -place.y), encoding)
    with _bare_copy(layer, merge=True) as copy:
        place = host.region_of(copy)  # an effect may make it larger
        return host.read(copy, region.moved(-place.x, -place.y), encoding)


@contextmanager
def _bare_copy(layer: Any, *, merge: bool) -> Iterator[Any]:
    """Yield a copy without effects: merged into its pixels, or dropped."""
    size = host.region_of(layer).size
    with host.scratch(host.new_image(layer.get_image(), size)) as image:
        copy = host.must(Gimp.Layer.new_from_drawable(layer, image), _("copy a layer"))
        host.must(image.insert_layer(copy, None, 0), _("insert a copy"))
        if merge:
            copy.merge_filters()
        else:
            for each in copy.get_filters():
                each.delete()
        yield copy


def _lengths(effect: Effect) -> list[Any]:
    """Return the specifications of an operation's settings that are lengths in pixels."""
    if not Gegl.has_operation(effect.operation):  # GIMP's own, of which plug-ins know nothing
        return []
    key = Gegl.Operation.get_property_key
    return [
        each
        for each in Gegl.Operation.list_properties(effect.operation)
        if key(effect.operation, each.name, "unit") in LENGTHS and each.name in effect.settings
    ]


def _is_pointwise(operation: str) -> bool:
    """Return whether an operation makes each pixel of the one below it alone, so that no size matters to it."""
    if not Gegl.has_operation(operation):
        return operation.startswith("gimp:")  # those are adjustments of colour
    made = Gegl.Node().create_child(operation).get_gegl_operation()
    return any(GObject.type_is_a(made, GObject.type_from_name(each)) for each in POINTWISE)


def _print(layer: Any) -> bytes:
    whole = Region(0, 0, layer.get_width(), layer.get_height())
    return fingerprint(host.read(layer, whole, host.encoding_of(layer, layer.get_image())))


def _read(effect: Any) -> Effect:
    config = effect.get_config()
    settings = {each.name: config.get_property(each.name) for each in config.list_properties()}
    return Effect(
        effect.get_operation_name(),
        effect.get_name(),
        effect.get_opacity(),
        effect.get_blend_mode(),
        effect.get_visible(),
        settings,
    )
