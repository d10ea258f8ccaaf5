"""What only imagecodecs, the extra `codecs`, decodes: JPEG with more than 8 bits, and rare compressions of TIFF."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.errors import NotAnImage

PACKAGE = 'the package imagecodecs (pip install "neural-upscale[codecs]")'
INSTALL = f"reading it needs {PACKAGE}"


def deep_jpeg(contents: bytes, bits: int, name: str) -> NDArray[np.uint16]:
    """Decode a JPEG of 9 to 16 bits to (H, W, S), stretched to 16 bits."""
    samples = decoded("jpeg_decode", contents, name, f"a JPEG of {bits} bits")
    if samples.dtype != np.uint16:
        raise NotAnImage(f"{name} is a JPEG of {bits} bits that cannot be decoded; save it with 8.")
    samples = stretched(samples, bits)
    return samples[:, :, None] if samples.ndim == 2 else samples


def decoded(function: str, contents: bytes, name: str, what: str, **options: Any) -> NDArray[Any]:
    """Call one of imagecodecs' decoders.

    Args:
        function: its name.
        contents: what to decode.
        name: the file's name, for messages.
        what: what the contents are, for messages.
        **options: of the decoder.

    Returns:
        What it returns.

    Raises:
        NotAnImage: imagecodecs is not installed, or fails.
    """
    try:
        decoder = getattr(importlib.import_module("imagecodecs"), function)
    except ImportError:
        raise NotAnImage(f"{name} is {what}; {INSTALL}, or save it another way.") from None
    try:
        samples: NDArray[Any] = decoder(contents, **options)
    except Exception as fault:  # decoders of foreign bytes raise whatever they like
        told = str(fault)[:100] or type(fault).__name__
        raise NotAnImage(f"{name} is {what} that cannot be decoded ({told}); save it another way.") from fault
    return samples


def encoded(function: str, contents: Any, **options: Any) -> bytes:
    """Call one of imagecodecs' encoders, which is there: `limits.check_result` has looked."""
    return bytes(getattr(importlib.import_module("imagecodecs"), function)(contents, **options))


def stretched(samples: NDArray[np.uint16], bits: int) -> NDArray[np.uint16]:
    """Stretch values of fewer than 16 bits to the whole range."""
    white = (1 << bits) - 1
    wide = samples.astype(np.uint32) * 65535 + white // 2
    return (wide // white).astype(np.uint16)
