"""A generator for thin pictures: its tiles are whole periods of the mirrored picture, and its convolutions go round.

The endlessly mirrored picture repeats after twice its width, and so does every feature of it. With circular padding one
period is enough, exactly; the context on both sides would cost many times the picture.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import MutableMapping

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
