"""Scales a layer style, which Krita leaves as it is when it scales a layer. No Qt, no Krita."""

from __future__ import annotations

from xml.etree import ElementTree

PIXELS = "#Pxl"  # the unit of lengths
SHARES = ("Ckmt",)  # spread and choke are percents, whatever unit the format gives them


def scaled_style(style: str, factor: float) -> str:
    """Return a layer style with its lengths so many times as large.

    Args:
        style: in Krita's own format, XML; empty without one.
        factor: 1 or more.

    Returns:
        The same, with the distances and sizes of shadows, glows, bevels and strokes scaled.
    """
    if not style:
        return style
    root = ElementTree.fromstring(style)
    for node in root.iter("node"):
        if node.get("unit") == PIXELS and node.get("key", "").strip() not in SHARES:
            node.set("value", f"{float(node.get('value', '0')) * factor:g}")
    return ElementTree.tostring(root, encoding="unicode")
