"""Blocks of 8×8 pixels and their cosine coefficients, as JPEG has them. numpy only."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

BLOCK = 8


def blocks_of(luma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut pieces (N, H, W) into whole blocks from their first pixel on, (blocks, 64); what is left over is dropped."""
    pieces, height, width = luma.shape
    rows, columns = height // BLOCK, width // BLOCK
    cut = luma[:, : rows * BLOCK, : columns * BLOCK].reshape(pieces, rows, BLOCK, columns, BLOCK)
    return cut.transpose(0, 1, 3, 2, 4).reshape(-1, BLOCK * BLOCK)


def cosine_matrix(frequencies: Iterable[tuple[int, int]]) -> NDArray[np.float32]:
    """Return the (64, F) matrix that blocks are multiplied with for their coefficients.

    Args:
        frequencies: vertical and horizontal frequency of each of the F coefficients, 0…7.

    Returns:
        float32, orthonormal.
    """
    place = np.arange(BLOCK)
    waves = np.cos((2 * place + 1) * place[:, None] * np.pi / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    waves[0] /= np.sqrt(2)
    return np.stack([np.outer(waves[v], waves[u]).ravel() for v, u in frequencies], axis=1).astype(np.float32)
