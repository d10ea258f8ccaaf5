"""Consistency: a generator should make the same of a picture however it is turned.

The mean of the eight ways to turn and mirror a picture is known to be better than each (Timofte et al. 2016, geometric
self-ensemble), at eight times the cost. Here the running average of the generator enlarges a picture turned in one of
the other seven ways, drawn at each step, and the generator is held to what comes out: so it learns to give the mean
by itself. After Tarvainen and Valpola 2017 (mean teacher).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

TURNS = 8  # quarter turns, and the same mirrored


def turned(pictures: Tensor, turn: int) -> Tensor:
    """Turn pictures (N, C, H, W) by 0 to 3 quarters, and mirror them first from 4 on; 0 leaves them as they are."""
    mirrored = pictures.flip(3) if turn >= TURNS // 2 else pictures
    return torch.rot90(mirrored, turn % (TURNS // 2), (2, 3))


def turned_back(pictures: Tensor, turn: int) -> Tensor:
    """Undo `turned`."""
    upright = torch.rot90(pictures, -turn % (TURNS // 2), (2, 3))
    return upright.flip(3) if turn >= TURNS // 2 else upright


@torch.no_grad()
def turned_target(enlarge: Callable[[Tensor], Tensor], low_res: Tensor) -> Tensor:
    """Enlarge pictures lying in another way than they do, drawn anew at each call, by torch's own random numbers.

    Args:
        enlarge: Maps (N, 3, H, W) to (N, 3, sH, sW).
        low_res: (N, 3, H, W).

    Returns:
        (N, 3, sH, sW), lying like low_res; without gradients.
    """
    turn = int(torch.randint(1, TURNS, ()))
    return turned_back(enlarge(turned(low_res, turn)), turn)
