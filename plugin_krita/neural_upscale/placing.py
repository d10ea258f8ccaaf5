"""Puts the results where the user wants them. Main thread only; called when every pixel is in hand.

    enlarge   the document is scaled by Krita, each neural layer is added above its original, the originals are hidden
    layer     the same without scaling the document; with a selection only the enlarged patches are added
    new       a new document; the user's own is not touched

Krita's scripting interface cannot join steps, but `host.history` can while the document is in front; where it cannot, a
result says how many undos bring the document back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from . import copies
from .client import Region
from .errors import Cancelled, EditorFailed
from .host import documents, guides, scratch, views
from .host.history import HISTORY
from .i18n import _
from .new_document import make
from .pixels.masks import enlarge_masks
from .source import Result, is_unchanged

FILTER_REACH = 2  # pixels of the layer that Krita's filter looks past its border


@dataclass(frozen=True)
class Placed:
    """What was made."""

    result: Any  # the new node (enlarge, layer; a list of them for several layers) or document (new)
    undo_steps: int  # how often Undo brings the user's document back exactly; 0 when it was not touched
    notices: tuple[str, ...] = ()  # sentences for the user

    def sentences(self) -> tuple[str, ...]:
        """Return the notices and how to go back."""
        if self.undo_steps == 0:
            return self.notices
        once, often = _("Undo once to go back."), _("Undo {steps} times to go back.")
        return (*self.notices, once if self.undo_steps == 1 else often.format(steps=self.undo_steps))


def place(results: Sequence[Result], output: str, notices: Sequence[str] = ()) -> Placed:
    """Place the results as `output` says; as a new document when one of the layers has changed meanwhile.

    Args:
        results: one for each layer, from the bottom up.
        output: "enlarge", "layer" or "new".
        notices: sentences for the user that come first.

    Returns:
        What was made, with all notices, each once.

    Raises:
        Cancelled: the document is gone.
    """
    document = results[0].source.document
    _check_open(document)
    told = [*notices, *(each for result in results for each in result.source.notices)]
    # Krita's event loop runs while the guides are shown, so look at the layers after it.
    guided = output == "enlarge" and views.show_guides(document)
    if output != "new" and all(is_unchanged(each.source) for each in results):
        placing = _Placing(document)
        placed = placing.all(results, output)
        told += placing.notices
        if guided:
            told.append(_("Krita moves guides only while they are shown, so the hidden guides were shown."))
        return Placed(placed, placing.join_steps(), tuple(dict.fromkeys(told)))
    _check_open(document)
    if guided:
        guides.show(document, False)
    if output != "new":
        text = _("The layer was changed while the server worked, so the result is a new document; yours is as it was.")
        told.append(text)
    made, further = make(results)
    return Placed(made, 0, tuple(dict.fromkeys([*told, *further])))


def _check_open(document: Any) -> None:
    if not documents.is_open(document):
        raise Cancelled(_("The document was closed, so nothing was written."))


@dataclass
class _Placing:
    """The changes to one document, which count their undo steps."""

    document: Any
    steps: int = 0
    notices: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._row = HISTORY.row(self.document)

    def join_steps(self) -> int:
        """Return how many undos all of it takes: one where the steps can be joined."""
        return 1 if self.steps == 1 or HISTORY.join(self.document, self._row, self.steps) else self.steps

    def all(self, results: Sequence[Result], output: str) -> Any:
        """Place the results of unchanged layers; return the new node, or a list of them for several layers."""
        originals = [_original(each) for each in results]
        if output == "enlarge":
            nodes = self._enlarge(results, originals)
        else:
            nodes = [self._enlarge_layer(*pair) for pair in zip(results, originals, strict=True)]
        replaced = output == "enlarge" or results[0].source.selection is None
        for original in originals if replaced else ():
            self._hide(original)
        views.activate_soon(self.document, nodes[-1])
        return nodes if len(nodes) > 1 else nodes[0]

    def _enlarge(self, results: Sequence[Result], originals: Sequence[Any]) -> list[Any]:
        """Enlarge the document and add the neural layers."""
        # Krita scales such layers late (vector) or not at all (file), so what surrounds the selection is enlarged here.
        around = [
            None if each.source.painted or each.source.selection is None else _enlarged(each, original)
            for each, original in zip(results, originals, strict=True)
        ]
        documents.scale_document(self.document, results[0].source.enlargement.after.size)
        self.steps += 1
        made = zip(results, originals, around, strict=True)
        return [self._add_enlarged(result, original, pixels) for result, original, pixels in made]

    def _add_enlarged(self, result: Result, original: Any, around: tuple[Region, bytes] | None) -> Any:
        """Add a neural layer; with a selection its pixels are already blended in, and `around` surrounds them."""
        source = result.source
        node = self._like_original(result, original)
        if around is not None:
            documents.write_pixels(node, *around)
        elif source.selection is None:
            copies.clear_around(node, source.target)
        else:
            copies.copy_pixels(original, node)
        documents.write_pixels(node, source.target, result.pixels)
        return self._add_above(original, node)

    def _enlarge_layer(self, result: Result, original: Any) -> Any:
        """Add a neural layer that grows from its original's top-left corner; with a selection the patch alone."""
        source, target = result.source, result.source.target
        if source.selection is not None:
            patch = documents.new_paint_layer(self.document, copies.name_of(source, original.name()), source.space)
            documents.write_pixels(patch, target, result.pixels)
            return self._add_above(original, patch)
        node = self._like_original(result, original)
        documents.write_pixels(node, target, result.pixels)
        self.notices += enlarge_masks(node, source.bounds, target)
        return self._add_above(original, node)

    def _like_original(self, result: Result, original: Any) -> Any:
        node, steps = copies.like_original(result.source, original)
        self.steps += steps
        self.notices += copies.metadata_notice(result.source, original)
        return node

    def _add_above(self, original: Any, node: Any) -> Any:
        if not original.parentNode().addChildNode(node, original):
            text = _("Krita did not add the layer; undo {steps} times to get the document back.")
            raise EditorFailed(text.format(steps=self.steps))
        self.steps += 1
        self.document.waitForDone()
        return node

    def _hide(self, original: Any) -> None:
        if not original.visible():
            self.notices.append(_("The layer is hidden, and so is the result; click its eye to see it."))
        elif views.hide(self.document, original):
            self.steps += 1
        else:
            text = _("Undo cannot show the hidden layer '{name}' again; click its eye.")
            self.notices.append(text.format(name=original.name()))


def _enlarged(result: Result, original: Any) -> tuple[Region, bytes]:
    """Return all that the layer shows, enlarged by Krita's own filter: where it lies, and its pixels."""
    source = result.source
    around = source.bounds.grown(FILTER_REACH)
    place = source.enlargement.of(source.enlargement.aligned(around))
    shown = documents.read_pixels(original, around)
    return place, scratch.enlarge_part(shown, around, source.space, source.enlargement, place)


def _original(result: Result) -> Any:
    node = documents.find_node(result.source.document, result.source.node_id)
    if node is None:
        raise EditorFailed(_("The layer '{name}' is gone; nothing was changed.").format(name=result.source.name))
    return node
