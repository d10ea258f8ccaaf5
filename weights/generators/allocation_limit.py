"""A limit on what building a network may allocate: its sizes come from a file that anybody may have written."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from weights.errors import NotANetwork

MOST_AT_ONCE = 1 << 28  # values of one tensor


class AllocationLimit(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuse to make new tensors of more than `most` values in all; use as a context manager.

    Args:
        most: Values that all new tensors may hold together; what only lives for a moment counts too.
        source: The file's name, for the message.
    """

    def __init__(self, most: int, source: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._left, self._source = most, source

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operator of torch, unless its result would be too large."""
        tensors = [each for each in args if isinstance(each, Tensor)]
        asked = max((math.prod(each) for each in _sizes(args)), default=0)
        if not tensors:
            self._left -= asked
        elif len(tensors) > 1 and func._schema.name in ("aten::sub", "aten::add", "aten::mul", "aten::ne"):
            shape = torch.broadcast_shapes(*(each.shape for each in tensors))  # type: ignore[no-untyped-call]
            asked = math.prod(shape)
        if self._left < 0 or asked > MOST_AT_ONCE:
            raise NotANetwork(
                f"{self._source} describes a network far larger than its tensors; expected a file as it was trained; "
                "get it from its author again."
            )
        return func(*args, **(kwargs or {}))


def _sizes(args: tuple[Any, ...]) -> Iterator[list[int]]:
    for each in args:
        if isinstance(each, (list, tuple)) and each and all(isinstance(side, int) and side >= 0 for side in each):
            yield list(each)
