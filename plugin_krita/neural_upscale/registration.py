"""Registers the plug-in with Krita; when its own files are incomplete, the entries say what to run instead."""

from __future__ import annotations

from krita import Krita

try:
    from .extension import NeuralUpscale
    from .scripting import help, upscale  # noqa: A004 (its public name)
except ImportError as fault:
    from .incomplete import NeuralUpscale, help, upscale, what_is_missing  # noqa: A004

    what_is_missing(fault)

__all__ = ["help", "register", "upscale"]


def register() -> None:
    """Add the menu entries to Krita's windows."""
    application = Krita.instance()
    application.addExtension(NeuralUpscale(application))
