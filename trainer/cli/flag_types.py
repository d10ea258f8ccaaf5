"""Parsers of flag values, for argparse's `type`. Imports nothing heavy."""

from __future__ import annotations

import argparse
from pathlib import Path


def camera_reduction(text: str) -> tuple[str, int]:
    """Read "MODEL=2".

    Args:
        text: EXIF model, an equals sign, a whole number from 2 on.

    Returns:
        Model and factor.

    Raises:
        ArgumentTypeError: The text has another form.
    """
    model, _, factor = text.rpartition("=")
    if not model.strip() or not factor.strip().isdecimal() or int(factor) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} came, MODEL=2 was expected: a camera's EXIF model and a factor")
    return model.strip(), int(factor)


def reductions(text: str) -> tuple[int, ...]:
    """Read "1,2,4".

    Args:
        text: Whole numbers from 1 on, with commas between them.

    Returns:
        The numbers, ascending, each once.

    Raises:
        ArgumentTypeError: The text has another form.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) >= 1 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} came, whole numbers like 1,2,4,8 were expected")
    return tuple(sorted({int(part) for part in parts}))


def quality(text: str) -> int:
    """Read "60".

    Args:
        text: A whole number from 1 to 100.

    Returns:
        The number.

    Raises:
        ArgumentTypeError: The text has another form.
    """
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} came, a JPEG quality from 1 to 100 was expected")
    return int(text)


def named_folder(text: str) -> tuple[str, Path]:
    """Read "NAME=DIR".

    Args:
        text: A name, an equals sign, a folder.

    Returns:
        Name and folder.

    Raises:
        ArgumentTypeError: The text has another form.
    """
    name, _, folder = text.partition("=")
    if not name or not folder:
        raise argparse.ArgumentTypeError(f"{text!r} came, NAME=DIR was expected: a benchmark's name and its folder")
    return name, Path(folder)


def weights_and_share(text: str) -> tuple[Path, float]:
    """Read "WEIGHTS=0.25".

    Args:
        text: A weights file, an equals sign, a share from 0 to 1.

    Returns:
        File and share.

    Raises:
        ArgumentTypeError: The text has another form.
    """
    file, _, share = text.rpartition("=")
    try:
        number = float(share)
    except ValueError:
        number = -1.0
    if not file or not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} came, WEIGHTS=SHARE was expected: a weights file, and 0 to 1")
    return Path(file), number
