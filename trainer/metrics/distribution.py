"""Compares two sets of pictures as a whole, by the features of their patches: FID, precision and recall."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]
NEIGHBOURS = 3


def frechet_distance(real: Features, generated: Features) -> float:
    """Return the Fréchet distance of two sets' Gaussians (Heusel et al. 2017). 0 for equal sets; lower is better.

    Args:
        real: (N, D).
        generated: (M, D).

    Returns:
        |mean difference|² + trace(A + B − 2 (A B)^½), A and B being the covariances.
    """
    away = real.mean(axis=0) - generated.mean(axis=0)
    ours, theirs = (np.atleast_2d(np.cov(features, rowvar=False)) for features in (real, generated))
    root = _root(ours)
    # the eigenvalues of A B are those of the symmetric A^½ B A^½: no complex numbers
    shared = np.sqrt(np.clip(np.linalg.eigvalsh(root @ theirs @ root), 0, None)).sum()
    return float(away @ away + np.trace(ours) + np.trace(theirs) - 2 * shared)


def precision_recall(real: Features, generated: Features, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019).

    Args:
        real: (N, D).
        generated: (M, D).
        neighbours: Which nearest neighbour says how far a picture's surroundings reach.

    Returns:
        Share of generated ones within the reach of a real one, and the other way round; NaN with too few pictures.
    """
    if min(len(real), len(generated)) <= neighbours:
        return float("nan"), float("nan")
    return _covered(generated, real, neighbours), _covered(real, generated, neighbours)


def _covered(points: Features, by: Features, neighbours: int) -> float:
    reach = np.partition(_distances(by, by), neighbours, axis=1)[:, neighbours]  # the nearest is the point itself
    return float(np.mean((_distances(points, by) <= reach[None, :]).any(axis=1)))


def _distances(one: Features, other: Features) -> Features:
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None, :] - 2 * one @ other.T
    return np.asarray(np.sqrt(np.clip(squares, 0, None)))


def _root(matrix: Features) -> Features:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T)
