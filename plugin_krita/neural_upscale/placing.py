"""Puts the result where the user wants it. Main thread only; called when every pixel is in hand.

    enlarge   the document is scaled by Krita, the neural layer is added above the original, the original is hidden
    layer     the same without scaling the document; with a selection only the ×2 patch is added
    new       a new document; the user's own is not touched

Krita's scripting interface cannot join steps, so a result says how many undos bring the document back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import copies
from .errors import Cancelled, EditorFailed
from .host import documents, guides, scratch, views
from .i18n import _
from .pixels.masks import enlarge_masks
from .source import Source, is_unchanged


@dataclass(frozen=True)
class Placed:
    """What was made."""

    result: Any  # the new node (enlarge, layer) or document (new)
    undo_steps: int  # how often Undo brings the user's document back exactly; 0 when it was not touched
    notices: tuple[str, ...] = ()  # sentences for the user

    def sentences(self) -> tuple[str, ...]:
        """Return the notices and how to go back."""
        if self.undo_steps == 0:
            return self.notices
        once, often = _("Undo once to go back."), _("Undo {steps} times to go back.")
        return (*self.notices, once if self.undo_steps == 1 else often.format(steps=self.undo_steps))


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
    _check_open(source)
    if output == "new":
        placed = _make_new(source, pixels)
    elif output == "layer":
        placed = _enlarge_layer(source, pixels) if is_unchanged(source) else _make_new_instead(source, pixels)
    else:
        placed = _enlarge_if_unchanged(source, pixels)
    return Placed(placed.result, placed.undo_steps, (*source.notices, *placed.notices))


def _enlarge_if_unchanged(source: Source, pixels: bytes | bytearray) -> Placed:
    shown = views.show_guides(source.document)  # Krita's event loop runs here, so look at the layer after it
    if is_unchanged(source):
        placed = _enlarge(source, pixels)
        text = _("Krita moves guides only while they are shown, so the hidden guides were shown.")
        return Placed(placed.result, placed.undo_steps, (*placed.notices, *((text,) if shown else ())))
    _check_open(source)
    if shown:
        guides.show(source.document, False)
    return _make_new_instead(source, pixels)


def _check_open(source: Source) -> None:
    if not documents.is_open(source.document):
        raise Cancelled(_("The document was closed, so nothing was written."))


def _enlarge(source: Source, pixels: bytes | bytearray) -> Placed:
    """Double the document and add the neural layer.

    Args:
        source: what was taken; unchanged since.
        pixels: of `source.wanted.doubled()`, in the layer's colour space; with a selection already blended in.

    Returns:
        The new node.
    """
    document, original = source.document, _original(source)
    # Krita scales such layers late (vector) or not at all (file), so what surrounds the selection is enlarged here.
    around = b"" if source.painted or source.selection is None else _enlarged(source, original)
    documents.scale_document(document, documents.canvas(document).size.enlarged())
    node, prepared = copies.like_original(source, original)
    target = source.wanted.doubled()
    if source.selection is None:
        copies.clear_around(node, target)
    elif source.painted:
        copies.copy_pixels(original, node)
    else:
        documents.write_pixels(node, source.bounds.doubled(), around)
    documents.write_pixels(node, target, pixels)
    notices = copies.metadata_notice(source, original)
    return _add_above(source, original, node, steps=2 + prepared, notices=notices)


def _enlarged(source: Source, original: Any) -> bytes:
    """Return all that the layer shows, of `source.bounds` ×2, by Krita's own filter."""
    return scratch.enlarge(documents.read_pixels(original, source.bounds), source.bounds.size, source.space)


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
        patch = documents.new_paint_layer(document, copies.name_of(original), source.space)
        documents.write_pixels(patch, target, pixels)
        return _add_above(source, original, patch, steps=1, replaces=False)
    node, prepared = copies.like_original(source, original)
    documents.write_pixels(node, target, pixels)
    notices = (*enlarge_masks(node, source.bounds, target), *copies.style_notice(source.look))
    notices = (*notices, *copies.metadata_notice(source, original))
    return _add_above(source, original, node, steps=1 + prepared, notices=notices)


def _make_new_instead(source: Source, pixels: bytes | bytearray) -> Placed:
    text = _("The layer was changed while the server worked, so the result is a new document; yours is as it was.")
    placed = _make_new(source, pixels)
    return Placed(placed.result, placed.undo_steps, (text, *placed.notices))


def _make_new(source: Source, pixels: bytes | bytearray) -> Placed:
    """Make a document of twice the canvas that holds the layer alone; with a selection of twice the patch.

    Args:
        source: what was taken; its document may have changed or been closed since.
        pixels: of `source.wanted` ×2, in the layer's colour space.

    Returns:
        The new document.
    """
    whole = source.wanted if source.selection is not None else source.canvas
    target = source.wanted.moved(-whole.x, -whole.y).doubled()
    name = copies.with_suffix(source.document_name)
    made = documents.new_document(name, whole.size.enlarged(), source.space, source.resolution)
    node = copies.as_taken(source, made)
    copies.clear_around(node, target)
    documents.write_pixels(node, target, pixels)
    notices = (*enlarge_masks(node, source.wanted, target), *copies.style_notice(source.look))
    made.rootNode().addChildNode(node, None)
    if source.selection is None:
        guides.set_doubled(made, source.guides)
    made.waitForDone()
    views.show(made)
    return Placed(made, 0, notices)


def _original(source: Source) -> Any:
    node = documents.find_node(source.document, source.node_id)
    if node is None:
        raise EditorFailed(_("The layer '{name}' is gone; nothing was changed.").format(name=source.name))
    return node


def _add_above(
    source: Source, original: Any, node: Any, *, steps: int, replaces: bool = True, notices: tuple[str, ...] = ()
) -> Placed:
    document = source.document
    if not original.parentNode().addChildNode(node, original):
        text = _("Krita did not add the layer; undo {steps} times to get the document back.")
        raise EditorFailed(text.format(steps=steps - 1))
    document.waitForDone()
    if replaces and not original.visible():
        notices = (*notices, _("The layer is hidden, and so is the result; click its eye to see it."))
    elif replaces:
        if views.hide(document, original):
            steps += 1
        else:
            text = _("Undo cannot show the hidden layer '{name}' again; click its eye.")
            notices = (*notices, text.format(name=source.name))
    views.activate_soon(document, node)
    return Placed(node, steps, notices)
