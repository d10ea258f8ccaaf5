"""A generator for thin pictures: its tiles are whole periods of the mirrored picture, and its convolutions go round.

The endlessly mirrored picture repeats after twice its width, and so does every feature of it. With circular padding one
period is enough, exactly; the context on both sides would cost many times the picture.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import MutableMapping

import numpy as np
from numpy.typing import NDArray
from torch import nn

from weights import Generator

_made: MutableMapping[Generator, Generator] = weakref.WeakKeyDictionary()


def periodic(generator: Generator) -> Generator:
    """Return the form of a generator whose convolutions pad with the other end; it is kept as long as the generator."""
    found = _made.get(generator)
    if found is None:
        found = copy.deepcopy(generator)
        for module in found.modules():
            if isinstance(module, nn.Conv2d):
                module.padding_mode = "circular"
        _made[generator] = found
    return found


def whole_periods(generator: Generator, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Repeat tiles (N, 3, H, W) along a side that is shorter than the generator's widest padding reaches."""
    paddings = [module.padding for module in generator.modules() if isinstance(module, nn.Conv2d)]
    reach = max((max(padding) for padding in paddings if not isinstance(padding, str)), default=1)
    times = [-(-reach // side) for side in tiles.shape[2:]]
    return tiles if times == [1, 1] else np.tile(tiles, (1, 1, *times))
