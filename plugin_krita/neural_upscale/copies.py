"""The node that takes the result: with all that the original has, in no document yet."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from .client import Region
from .host import documents
from .i18n import _
from .layers import Look
from .source import Source
from .styles import scaled_style

WITH_EXIF = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".jxl", ".heic", ".avif")


def name_of(source: Source, name: str) -> str:
    """Return the name of what was made of something of that name, for example "Background x2"."""
    return f"{name} {source.label}"


def like_original(source: Source, original: Any) -> tuple[Any, int]:
    """Make the node that takes the result in the user's document, with the original's look and masks.

    A plain layer's node is made anew, because Krita exports a photo's metadata only while no second layer carries them.

    Args:
        source: what was taken.
        original: the layer, as it is now.

    Returns:
        The node, and the undo steps that making it cost.
    """
    if source.painted and not is_plain(original):
        node = original.duplicate()
        node.setName(name_of(source, original.name()))
        return node, give_style(source, node)
    node = documents.new_paint_layer(source.document, name_of(source, original.name()), source.space)
    return node, Look.of(original).give(node) + give_style(source, node)


def is_plain(original: Any) -> bool:
    """Return whether all that a layer has beside its pixels can be given to another one without a step to undo."""
    own = original.animated() or original.childNodes() or original.layerStyleToAsl()
    return not own and original.blendingMode() == "normal"


def metadata_notice(source: Source, original: Any) -> tuple[str, ...]:
    """Return the sentence for a picture whose file may have metadata that Krita would not export any more."""
    if is_plain(original) or not source.painted or PurePath(source.document.fileName()).suffix.lower() not in WITH_EXIF:
        return ()
    text = _("Krita exports EXIF data only while one layer carries them; delete the hidden original before you export.")
    return (text,)


def as_taken(source: Source, document: Any) -> Any:
    """Return the node for a new document: the copy with masks and metadata where there is one, else an empty layer.

    Its layer style is given it only there, because that is an undo step.
    """
    if source.copy is not None:
        node = source.copy
    else:
        node = documents.new_paint_layer(document, source.name, source.space)
        source.look.give(node)
    node.setVisible(True)
    return node


def give_style(source: Source, node: Any) -> int:
    """Copy the original's layer style to a node, its lengths enlarged; return the undo steps that this takes."""
    if not source.look.style:
        return 0
    node.setLayerStyleFromAsl(scaled_style(source.look.style, source.enlargement.factors[0]))
    return 1  # in Krita, even outside of the document


def copy_pixels(original: Any, node: Any) -> None:
    """Copy all pixels of a painted layer, as they are now."""
    whole = documents.bounds(original)
    documents.write_pixels(node, whole, documents.read_pixels(original, whole))


def clear_around(node: Any, target: Region) -> None:
    """Clear whatever the node holds outside of `target`, for example what Krita's filter smeared past it."""
    held = documents.bounds(node).united(target)
    step = documents.space_of(node).bytes_per_pixel
    for strip in (
        Region(held.x, held.y, held.width, target.y - held.y),
        Region(held.x, target.bottom, held.width, held.bottom - target.bottom),
        Region(held.x, target.y, target.x - held.x, target.height),
        Region(target.right, target.y, held.right - target.right, target.height),
    ):
        if not strip.is_empty:
            documents.write_pixels(node, strip, bytes(strip.width * strip.height * step))
