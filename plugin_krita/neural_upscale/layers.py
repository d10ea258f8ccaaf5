"""The layers that the user has chosen: which ones, of what kind in his words, where they lie, how they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .client import Region
from .errors import NothingToUpscale
from .host import documents
from .i18n import _

Made = TypeVar("Made")

PROJECTED = ("grouplayer", "vectorlayer", "filelayer", "clonelayer", "filllayer")


def kind_of(node: Any) -> str:
    """Return what the user calls such a layer or mask, for example "vector layer"."""
    words = {
        "paintlayer": _("paint layer"),
        "grouplayer": _("group"),
        "vectorlayer": _("vector layer"),
        "filelayer": _("file layer"),
        "clonelayer": _("clone layer"),
        "filllayer": _("fill layer"),
        "filterlayer": _("filter layer"),
        "transparencymask": _("transparency mask"),
        "filtermask": _("filter mask"),
        "transformmask": _("transform mask"),
        "selectionmask": _("selection mask"),
        "colorizemask": _("colorize mask"),
    }
    return words.get(node.type(), str(node.type()))


def layer_of(node: Any) -> Any:
    """Return the layer that a mask belongs to, or another node as it is; None for the document's own selection."""
    while node is not None and node.type().endswith("mask"):
        node = node.parentNode()
    return None if node is None or node.parentNode() is None else node


def layers_of(document: Any, nodes: Iterable[Any]) -> list[Any]:
    """Return the layers that nodes are or belong to, from the bottom up; none that lies in another one of them."""
    wanted = {node.uniqueId() for node in map(layer_of, nodes) if node is not None}
    return list(_outermost(document.rootNode(), wanted))


def _outermost(parent: Any, wanted: set[Any]) -> Iterator[Any]:
    for node in parent.childNodes():
        if node.uniqueId() in wanted:
            yield node
        else:
            yield from _outermost(node, wanted)


def each_with_picture(nodes: Sequence[Any], work: Callable[[Any], Made]) -> tuple[list[Made], tuple[str, ...]]:
    """Do something with each layer that has a picture.

    Args:
        nodes: the layers; none is an error, too.
        work: raises NothingToUpscale for a layer that has none.

    Returns:
        What was made, and a sentence for each other layer.

    Raises:
        NothingToUpscale: none of them has one.
    """
    made, faults = [], []
    for node in nodes or [None]:
        try:
            made.append(work(node))
        except NothingToUpscale as fault:
            faults.append(fault)
    if not made:
        raise faults[0]
    return made, tuple(map(str, faults))


def bounds_of(document: Any, node: Any) -> Region:
    """Return the place of the layer's pixels.

    Args:
        document: Krita's document.
        node: the chosen layer, or None.

    Returns:
        The rectangle, not empty.

    Raises:
        NothingToUpscale: there is no layer, or no pixel in it.
    """
    if node is None:
        raise NothingToUpscale(_("No layer is chosen; choose one in the Layers docker."))
    name = node.name()
    if node.type() != documents.PAINTED and node.type() not in PROJECTED:
        text = _("'{name}' is a {kind}, which has no picture of its own; choose a layer that has one.")
        raise NothingToUpscale(text.format(name=name, kind=kind_of(node)))
    space = documents.space_of(node)
    if space.bytes_per_pixel == 0:
        text = _("'{name}' is in the colour space {space}, which is unknown here; convert it to RGB first.")
        raise NothingToUpscale(text.format(name=name, space=space))
    document.waitForDone()  # what was done last may still be on its way into the pixels
    bounds = extent(document, node)
    if bounds.is_empty:
        text = _("The {kind} '{name}' is empty; put something into it, or choose another layer.")
        raise NothingToUpscale(text.format(kind=kind_of(node), name=name))
    return bounds


def extent(document: Any, node: Any) -> Region:
    """Return the place of what the layer shows; empty when it shows nothing."""
    # A fill layer covers the canvas, but reports no bounds.
    return documents.canvas(document) if node.type() == "filllayer" else documents.bounds(node)


@dataclass(frozen=True)
class Look:
    """How a layer is shown and marked, beside its pixels and masks."""

    opacity: int  # 0 … 255
    blending: str  # Krita's name of the blending mode
    inherits_alpha: bool  # whether it is clipped to the layers below
    visible: bool  # whether its eye is open
    style: str  # its layer style in Krita's own format; empty without one
    label: int  # the number of its colour label
    locked: bool  # whether it is locked
    alpha_locked: bool  # whether its transparency is locked

    @classmethod
    def of(cls, node: Any) -> Look:
        """Read a layer's."""
        return cls(
            node.opacity(), node.blendingMode(), node.inheritAlpha(), node.visible(), node.layerStyleToAsl(),
            node.colorLabel(), node.locked(), node.alphaLocked(),
        )  # fmt: skip

    def give(self, node: Any) -> int:
        """Add all but the style to a node that is in no document yet; return the undo steps that this costs."""
        node.setOpacity(self.opacity)
        node.setInheritAlpha(self.inherits_alpha)
        node.setVisible(self.visible)
        node.setColorLabel(self.label)
        node.setLocked(self.locked)
        node.setAlphaLocked(self.alpha_locked)
        if node.blendingMode() == self.blending:
            return 0
        node.setBlendingMode(self.blending)  # an undo step of its own in Krita, even outside of the document
        return 1
