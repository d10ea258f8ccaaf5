"""Makes a document that holds the results alone. Main thread only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from . import copies
from .client import Region
from .host import documents, guides, views
from .pixels.masks import enlarge_masks
from .source import Result


def make(results: Sequence[Result]) -> tuple[Any, tuple[str, ...]]:
    """Make a document of the enlarged canvas; with a selection of the enlarged patch.

    Args:
        results: one for each layer, from the bottom up; their document may have changed or been closed since.

    Returns:
        The document, which a window shows, and sentences for the user.
    """
    first = results[0].source
    whole = first.canvas if first.selection is None else reduce(Region.united, (each.source.wanted for each in results))
    size = first.enlargement.of(whole).size
    name = copies.name_of(first, first.document_name)
    made = documents.new_document(name, size, first.space, first.resolution)
    notices = [sentence for each in results for sentence in _add(made, each, whole)]
    if first.selection is None:
        guides.set_scaled(made, first.guides, *first.enlargement.factors)
    made.waitForDone()
    views.show(made)
    return made, tuple(notices)


def _add(made: Any, result: Result, whole: Region) -> tuple[str, ...]:
    """Add one layer; return sentences for the user."""
    source = result.source
    corner = source.enlargement.of(whole)
    target = source.target.moved(-corner.x, -corner.y)
    node = copies.as_taken(source, made)
    copies.clear_around(node, target)
    documents.write_pixels(node, target, result.pixels)
    notices = enlarge_masks(node, source.wanted, target)
    made.rootNode().addChildNode(node, None)
    copies.give_style(source, node)
    return notices
