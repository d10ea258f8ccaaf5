"""A layer's effects (non-destructive filters): moved to the layer that comes in its place, or merged in a copy.

An effect can be moved when a new one with the same settings gives the same pixels. That fails for an effect that was
applied to a selection, whose mask plug-ins cannot read, and for operations that plug-ins may not make.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gi.repository import Gimp

from . import host
from .client import Region, fingerprint
from .errors import EditorFailed
from .host import Encoding
from .i18n import _


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


def add(layer: Any, effects: list[Effect]) -> None:
    """Append effects to a layer.

    Args:
        layer: in an image already.
        effects: as taken from its predecessor.

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
