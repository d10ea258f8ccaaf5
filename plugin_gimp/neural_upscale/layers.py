"""What a layer is besides its pixels and its place: taken over by the layer that comes in its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gi.repository import Gimp

from . import host, masks
from .client import Region
from .i18n import _
from .masks import Mask

PLAIN = ("opacity", "mode", "blend_space", "composite_space", "composite_mode", "visible", "color_tag")
LOCKS = ("lock_alpha", "lock_content", "lock_position", "lock_visibility")
MASK_STATES = ("apply_mask", "edit_mask", "show_mask")


@dataclass(frozen=True)
class Attributes:
    """A layer's attributes."""

    name: str
    values: dict[str, Any]  # of PLAIN, by name
    locks: dict[str, bool]  # of LOCKS, by name
    tattoo: int  # the number by which scripts know it
    parasites: list[Any]  # data that plug-ins hung on it
    mask: Mask | None  # its layer mask; None without one
    mask_states: dict[str, bool]  # of MASK_STATES, by name


def attributes_of(layer: Any) -> Attributes:
    """Read a layer's attributes."""
    mask = layer.get_mask()
    whole = Region(0, 0, layer.get_width(), layer.get_height())
    values = {name: getattr(layer, f"get_{name}")() for name in PLAIN}
    if values["mode"] == Gimp.LayerMode.PASS_THROUGH:  # a group's only
        values["mode"] = Gimp.LayerMode.NORMAL
    return Attributes(
        layer.get_name(),
        values,
        {name: getattr(layer, f"get_{name}")() for name in LOCKS},
        layer.get_tattoo(),
        [layer.get_parasite(name) for name in layer.get_parasite_list()],
        masks.take(mask, whole) if mask is not None else None,
        {name: getattr(layer, f"get_{name}")() for name in MASK_STATES} if mask is not None else {},
    )


def set_attributes(layer: Any, kept: Attributes, mask: Mask | None) -> None:
    """Set another layer's attributes on a layer in an image, locks last.

    Args:
        layer: the layer, which is where it will stay: a lock may hold it there.
        kept: the other's attributes.
        mask: the layer mask's values in this layer's size, or None.
    """
    layer.set_name(kept.name)
    for name, value in kept.values.items():
        getattr(layer, f"set_{name}")(value)
    for parasite in kept.parasites:
        layer.attach_parasite(parasite)
    if mask is not None:
        masks.add(layer, mask)
        for name, state in kept.mask_states.items():
            getattr(layer, f"set_{name}")(state)
    layer.set_tattoo(kept.tattoo)
    for name, state in kept.locks.items():
        getattr(layer, f"set_{name}")(state)


def is_rendered(layer: Any) -> bool:
    """Return whether GIMP makes the layer's pixels of something else: a group, text, or (GIMP 3.2) a path or a file."""
    kinds = ("is_group_layer", "is_text_layer", "is_vector_layer", "is_link_layer")  # GIMP 3.0 lacks the last two
    return any(getattr(layer, kind)() for kind in kinds if hasattr(layer, kind))


def has_pixels(layer: Any) -> bool:
    """Return whether a layer is more than an empty group, or groups that hold nothing but empty groups."""
    return not layer.is_group_layer() or any(has_pixels(each) for each in layer.get_children())


def groups_around(layer: Any) -> list[Any]:
    """Return the groups that a layer is in, the innermost first."""
    found = []
    while (layer := layer.get_parent()) is not None:
        found.append(layer)
    return found


def order_of(layer: Any) -> list[int]:
    """Return a key by which layers are sorted from the uppermost to the lowest, those in groups too."""
    image = layer.get_image()
    return [image.get_item_position(each) for each in (*reversed(groups_around(layer)), layer)]


def unlocked(layer: Any) -> bool:
    """Open a layer's content lock for writing, and return whether it was locked."""
    locked = bool(layer.get_lock_content())
    if locked:
        host.must(layer.set_lock_content(False), _("unlock a layer"))
    return locked
