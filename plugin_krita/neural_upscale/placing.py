"""Puts the result where the user wants it. Main thread only; called when every pixel is in hand.

    enlarge   the document is scaled by Krita, the neural layer is added above the original, the original is hidden
    layer     the same without scaling the document; with a selection only the ×2 patch is added
    new       a new document; the user's own is not touched

Krita's scripting interface cannot join steps, so a result says how many undos bring the document back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .client import Region
from .errors import Cancelled, EditorFailed
from .host import documents, views
from .masks import enlarge_masks
from .source import Source, is_unchanged

SUFFIX = " x2"
GUIDES = "Krita moves guides only while they are shown, so the hidden guides were shown."
CHANGED = "The layer was changed while the server worked, so the result is a new document; your document is as it was."


@dataclass(frozen=True)
class Placed:
    """What was made.

    Attributes:
        result: the new node (enlarge, layer) or document (new).
        undo_steps: how often Undo brings the user's document back exactly; 0 when it was not touched.
        notices: sentences for the user.
    """

    result: Any
    undo_steps: int
    notices: tuple[str, ...] = ()

    def sentences(self) -> tuple[str, ...]:
        """Return the notices and how to go back."""
        times = {0: (), 1: ("Undo once to go back.",)}
        return (*self.notices, *times.get(self.undo_steps, (f"Undo {self.undo_steps} times to go back.",)))


def place(source: Source, output: str, pixels: bytes | bytearray) -> Placed:
    """Place the result as `output` says; as a new document when the layer has changed meanwhile.

    Args:
        source: what was taken.
        output: "enlarge", "layer" or "new".
        pixels: of `source.wanted` ×2, in the layer's colour space.

    Returns:
        What was made, with all notices.

    Raises:
        Cancelled: the document is gone.
    """
    if not documents.is_open(source.document):
        raise Cancelled("The document was closed, so nothing was written.")
    if output == "new":
        placed = _make_new(source, pixels)
    elif output == "layer":
        placed = _enlarge_layer(source, pixels) if is_unchanged(source) else _make_new(source, pixels, (CHANGED,))
    else:
        placed = _enlarge_if_unchanged(source, pixels)
    return Placed(placed.result, placed.undo_steps, (*source.notices, *placed.notices))


def _enlarge_if_unchanged(source: Source, pixels: bytes | bytearray) -> Placed:
    shown = views.show_guides(source.document)  # Krita's event loop runs here, so look at the layer after it
    if is_unchanged(source):
        placed = _enlarge(source, pixels)
        return Placed(placed.result, placed.undo_steps, (*placed.notices, *((GUIDES,) if shown else ())))
    if shown:
        source.document.setGuidesVisible(False)
    return _make_new(source, pixels, (CHANGED,))


def _enlarge(source: Source, pixels: bytes | bytearray) -> Placed:
    """Double the document and add the neural layer; with a selection, `pixels` are already blended in.

    Args:
        source: what was taken; unchanged since.
        pixels: of `source.wanted.doubled()`, in the layer's colour space.

    Returns:
        The new node.
    """
    document, original = source.document, _original(source)
    documents.scale_document(document, documents.canvas(document).size.enlarged())
    node, prepared = _copy(source, original)
    target = source.wanted.doubled()
    if source.selection is None:
        _clear_around(node, target)
    documents.write_pixels(node, target, pixels)
    return _add_above(source, original, node, steps=2 + prepared)


def _enlarge_layer(source: Source, pixels: bytes | bytearray) -> Placed:
    """Add the neural layer twice as large about the original's top-left corner; with a selection the patch alone.

    Args:
        source: what was taken; unchanged since.
        pixels: of `source.wanted` ×2, in the layer's colour space.

    Returns:
        The new node.
    """
    document, original = source.document, _original(source)
    target = source.wanted.doubled_in_place()
    if source.selection is not None:
        patch = documents.new_paint_layer(document, original.name() + SUFFIX, source.space)
        documents.write_pixels(patch, target, pixels)
        return _add_above(source, original, patch, steps=1, replaces=False)
    node, prepared = _copy(source, original)
    documents.write_pixels(node, target, pixels)
    unscaled = enlarge_masks(node, source.bounds) if source.painted else ()
    return _add_above(source, original, node, steps=1 + prepared, notices=unscaled)


def _make_new(source: Source, pixels: bytes | bytearray, notices: tuple[str, ...] = ()) -> Placed:
    """Make a document of twice the canvas that holds the layer alone; with a selection of twice the patch.

    Args:
        source: what was taken; its document may have changed or been closed since.
        pixels: of `source.wanted` ×2, in the layer's colour space.
        notices: sentences to pass on.

    Returns:
        The new document.
    """
    whole = source.wanted if source.selection is not None else source.canvas
    target = source.wanted.moved(-whole.x, -whole.y).doubled()
    made = documents.new_document(source.document_name + SUFFIX, whole.size.enlarged(), source.space, source.resolution)
    node = documents.new_paint_layer(made, source.name, source.space)
    documents.write_pixels(node, target, pixels)
    made.rootNode().addChildNode(node, None)
    if source.selection is None:
        made.setHorizontalGuides([2 * place for place in source.horizontal_guides])
        made.setVerticalGuides([2 * place for place in source.vertical_guides])
    made.waitForDone()
    views.show(made)
    return Placed(made, 0, notices)


def _original(source: Source) -> Any:
    node = documents.find_node(source.document, source.node_id)
    if node is None:
        raise EditorFailed(f"The layer '{source.name}' is gone; nothing was changed.")
    return node


def _copy(source: Source, original: Any) -> tuple[Any, int]:
    """Make the node that takes the result, with all that the original has; also give the undo steps that this costs."""
    if source.painted:
        node = original.duplicate()
        node.setName(original.name() + SUFFIX)
        return node, 0
    node = documents.new_paint_layer(source.document, original.name() + SUFFIX, source.space)
    node.setOpacity(original.opacity())
    node.setInheritAlpha(original.inheritAlpha())
    node.setVisible(original.visible())
    if node.blendingMode() == original.blendingMode():
        return node, 0
    node.setBlendingMode(original.blendingMode())  # an undo step of its own in Krita, even outside of the document
    return node, 1


def _clear_around(node: Any, target: Region) -> None:
    """Clear what Krita's filter smeared past the doubled bounds, so that the layer is exactly twice as large."""
    smeared = documents.bounds(node).united(target)
    step = documents.space_of(node).bytes_per_pixel
    for strip in (
        Region(smeared.x, smeared.y, smeared.width, target.y - smeared.y),
        Region(smeared.x, target.bottom, smeared.width, smeared.bottom - target.bottom),
        Region(smeared.x, target.y, target.x - smeared.x, target.height),
        Region(target.right, target.y, smeared.right - target.right, target.height),
    ):
        if not strip.is_empty:
            documents.write_pixels(node, strip, bytes(strip.width * strip.height * step))


def _add_above(
    source: Source, original: Any, node: Any, *, steps: int, replaces: bool = True, notices: tuple[str, ...] = ()
) -> Placed:
    document = source.document
    if not original.parentNode().addChildNode(node, original):
        raise EditorFailed(f"Krita did not add the layer; undo {steps - 1} times to get the document back.")
    document.waitForDone()
    if replaces and original.visible():
        if views.hide(document, original):
            steps += 1
        else:
            notices = (*notices, f"Undo cannot show the hidden layer '{original.name()}' again; click its eye.")
    views.activate_soon(document, node)
    return Placed(node, steps, notices)
