"""Measures as aligned text: a row for each enlarger, a column for each measure that some row has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from trainer.metrics.evaluation import Scores

_COLUMNS = {
    "psnr": ("Y-PSNR dB", "9.3f"),
    "ssim": ("Y-SSIM", "7.4f"),
    "niqe": ("NIQE", "6.2f"),
    "distance": ("distance", "8.4f"),
    "feature_loss": ("feature loss", "12.1f"),
    "fid": ("FID", "9.1f"),
    "precision": ("precision", "9.3f"),
    "recall": ("recall", "7.3f"),
    "energy_2": ("2 px", "6.3f"),
    "energy_4": ("4 px", "6.3f"),
    "blur_detail": ("in blur", "7.3f"),
    "blur_original": ("original", "8.3f"),
}
_JPEG_COLUMN = re.compile(r"jpeg(\d+)_(psnr|distance|feature_loss)")


def table(rows: Sequence[Scores]) -> str:
    """Return the rows as aligned text; only measures that some row has are columns."""
    lines = [row.figures() for row in rows]
    names = [row.name for row in rows]
    columns = _columns(lines)
    head = "  ".join(f"{title:>{_width(title, form)}}" for title, form in columns.values())
    body = [
        "  ".join(f"{_cell(line.get(name), form):>{_width(title, form)}}" for name, (title, form) in columns.items())
        for line in lines
    ]
    side = max(len(name) for name in names)
    return "\n".join(f"{name:{side}}  {cells}" for name, cells in zip(["", *names], [head, *body], strict=True))


def _columns(lines: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return title and format of each measure that some line has."""
    jpeg = {}
    for name in lines[0]:
        matched = _JPEG_COLUMN.fullmatch(name)
        if matched:
            title, form = _COLUMNS[matched[2]]
            jpeg[name] = (f"JPEG {matched[1]} {title.removeprefix('Y-')}", form)
    columns = _COLUMNS | jpeg
    return {name: column for name, column in columns.items() if any(line.get(name) is not None for line in lines)}


def _width(title: str, form: str) -> int:
    return max(len(title), int(form.split(".")[0]))


def _cell(value: Any, form: str) -> str:
    return "–" if value is None else format(value, form)
