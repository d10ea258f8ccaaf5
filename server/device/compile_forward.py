"""torch.compile with frozen weights, for sizes left open: one compilation serves every tile."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from server.device.engine_forward import EngineFault, Forward
from weights import Generator, enlarge

SAMPLES = ((36, 52), (76, 92), (92, 76), (84, 84))  # small, large, equal sides: each is compiled once, and not later


def build(generator: Generator, threads: int) -> Forward:  # noqa: ARG001 (torch has its number of threads already)
    """Compile a generator; takes ten seconds or so, and raises `EngineFault` where the compiler fails."""
    placed = copy.deepcopy(generator).requires_grad_(False).eval()
    placed.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(low_res: torch.Tensor) -> torch.Tensor:
        return enlarge(placed, low_res).contiguous()

    options: dict[str, str | int | bool | Callable[..., object]] = {"freezing": True}
    compiled = torch.compile(forward, dynamic=True, options=options)
    made = _Compiled(compiled)
    try:
        for size in SAMPLES:
            made(np.zeros((1, 3, *size), np.float32))
    except Exception as fault:  # the compiler's errors have no common base
        raise EngineFault(f"torch.compile failed ({type(fault).__name__}); the generator stays on torch.") from fault
    return made


class _Compiled:
    def __init__(self, compiled: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self._compiled = compiled

    def __call__(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        results = []
        with torch.no_grad():  # frozen weights need it; inference mode would be compiled apart
            for index in range(len(tiles)):
                tile = torch.from_numpy(tiles[index : index + 1]).contiguous(memory_format=torch.channels_last)
                results.append(self._compiled(tile).numpy())
        return results[0] if len(results) == 1 else np.concatenate(results)
