"""JPEG's losses on tensors: colour transform, 8 × 8 cosine transform, quality tables (ITU-T T.81), and back.

Entropy coding loses nothing and is left out. Measured against libjpeg in the tests.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

BLOCK = 8
_LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA_CORNER = ((17, 18, 24, 47), (18, 21, 26, 66), (24, 26, 56, 99), (47, 66, 99, 99))
_TO_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def compress(pictures: Tensor, quality: Tensor, half_chroma: Tensor) -> Tensor:
    """Compress pictures as JPEG does, and decompress them again.

    Args:
        pictures: (N, 3, H, W) float32, 0…255; sides of any length.
        quality: (N,), 1…100 on libjpeg's scale; 0 leaves a picture as it is.
        half_chroma: (N,) bool: colour at half size (4:2:0).

    Returns:
        (N, 3, H, W) float32, whole numbers 0…255.
    """
    height, width = pictures.shape[2:]
    # edges repeated to whole blocks of the half-size colour planes
    padded = functional.pad(pictures, (0, -width % (2 * BLOCK), 0, -height % (2 * BLOCK)), mode="replicate")
    planes = _recoloured(padded.round(), _TO_YCBCR)
    chroma = (planes[:, 1:] + 128).round() - 128
    luma = _quantised(planes[:, :1].round() - 128, _scaled(_table(_LUMA_TABLE, pictures), quality)) + 128
    table = _scaled(_table(_chroma_table(), pictures), quality)
    full = _quantised(chroma, table)
    half = _quantised(functional.avg_pool2d(chroma, 2).round(), table)
    half = functional.interpolate(half, scale_factor=2, mode="bilinear", align_corners=False)
    colour = torch.where(half_chroma.view(-1, 1, 1, 1), half, full)
    result = _recoloured(torch.cat((luma.clamp(0, 255), colour.clamp(-128, 127)), dim=1), _TO_RGB).round().clamp(0, 255)
    return torch.where((quality > 0).view(-1, 1, 1, 1), result[..., :height, :width], pictures.round())


def _recoloured(planes: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    return torch.einsum("oc,nchw->nohw", _table(matrix, planes), planes)


def _quantised(planes: Tensor, table: Tensor) -> Tensor:
    """Transform, round to multiples of the table's steps, transform back.

    Args:
        planes: (N, C, H, W), sides multiples of 8, about −128…127.
        table: (N, 8, 8) steps.

    Returns:
        (N, C, H, W), whole numbers.
    """
    count, channels, height, width = planes.shape
    blocks = planes.reshape(count, channels, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    cosines = _cosines(planes)
    steps = table.view(count, 1, 1, BLOCK, 1, BLOCK)
    coefficients = torch.einsum("ky,ncaybx,lx->ncakbl", cosines, blocks, cosines)
    kept = (coefficients / steps).round() * steps
    return torch.einsum("ky,ncakbl,lx->ncaybx", cosines, kept, cosines).round().reshape(planes.shape)


def _cosines(like: Tensor) -> Tensor:
    """Return the orthonormal cosine transform, (frequency, position)."""
    place = torch.arange(BLOCK, dtype=torch.float64)
    waves = torch.cos(math.pi / BLOCK * place[:, None] * (place[None, :] + 0.5)) * math.sqrt(2 / BLOCK)
    waves[0] /= math.sqrt(2)
    return waves.to(like)


def _scaled(table: Tensor, quality: Tensor) -> Tensor:
    """Scale a table, (8, 8), as libjpeg does, to (N, 8, 8): whole steps of 1…255."""
    q = quality.to(table).clamp(min=1)
    percent = torch.where(q < 50, torch.floor(5000 / q), 200 - 2 * q).view(-1, 1, 1)
    return torch.floor((table * percent + 50) / 100).clamp(1, 255)


def _chroma_table() -> tuple[tuple[float, ...], ...]:
    rows = [tuple(float(value) for value in row) + (99.0,) * 4 for row in _CHROMA_CORNER]
    return tuple(rows + [(99.0,) * 8] * 4)


def _table(rows: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    return torch.tensor(rows, dtype=like.dtype, device=like.device)
