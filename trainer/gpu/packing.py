"""A checkpoint in as few bytes as wanted: one `.safetensors` that any run folder can be taken up from.

average     the averaged generator, float16: what ships, and what a finished phase needs to go on
generator   also the generator itself (and the discriminator), float16
all         nothing is left out: parameters float32, the optimizer's moments bfloat16
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from trainer.errors import TravelError
from trainer.replacing import replacing

_MOMENTS = ("exp_avg", "exp_avg_sq")
_BETWEEN = "/"  # parameter names hold dots
_TENSOR = object()


def pack(state: dict[str, Any], path: Path, keep: str) -> None:
    """Write a checkpoint's state.

    Args:
        state: As `Phase.state` gives it.
        path: A `.safetensors` file, replaced atomically.
        keep: One of `travel.KEEP`.
    """
    chosen = {name: value for name, value in state.items() if _wanted(name, value, keep)}
    tensors: dict[str, Tensor] = {}
    values = _emptied(chosen, "", tensors)
    packed = {name: tensor.to("cpu", _dtype(name, tensor, keep)).contiguous() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as sibling:
        safetensors.torch.save_file(packed, sibling, {"state": json.dumps(values), "keep": keep})


def unpack_state(path: Path) -> dict[str, Any]:
    """Read what `pack` wrote.

    Args:
        path: The file.

    Returns:
        The state, with every floating-point tensor in float32; what was left out is not in it.

    Raises:
        TravelError: The file is damaged, or none of `pack`'s.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            state: dict[str, Any] = json.loads((file.metadata() or {})["state"])
            for name in file.keys():  # noqa: SIM118  # the file is no dictionary
                tensor = file.get_tensor(name)
                _put(state, name.split(_BETWEEN), tensor.float() if tensor.is_floating_point() else tensor)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise TravelError(
            f"{path} cannot be read ({error}); expected a state that `pack` wrote; join it again."
        ) from error
    numbered: dict[str, Any] = {name: _with_numbers(value) for name, value in state.items()}
    return numbered


def _wanted(name: str, value: Any, keep: str) -> bool:
    if not isinstance(value, dict) or name in ("config", "best", "average") or keep == "all":
        return True
    return keep == "generator" and not name.endswith("optimizer")


def _dtype(name: str, tensor: Tensor, keep: str) -> torch.dtype:
    if not tensor.is_floating_point() or "running_" in name:
        return tensor.dtype
    if name.rpartition(_BETWEEN)[2] in _MOMENTS:
        return torch.bfloat16  # second moments are far below float16's smallest number
    return torch.float32 if keep == "all" else torch.float16


def _emptied(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Copy nested values without the tensors, which are put into `tensors` by their path."""
    if isinstance(value, dict):
        inner = {str(name): (f"{path}{_BETWEEN}{name}" if path else str(name), item) for name, item in value.items()}
        kept = {name: _emptied(item, place, tensors) for name, (place, item) in inner.items()}
        return {name: item for name, item in kept.items() if item is not _TENSOR}
    if isinstance(value, Tensor):
        tensors[path] = value.detach()
        return _TENSOR
    return value


def _put(state: dict[str, Any], path: list[str], tensor: Tensor) -> None:
    for name in path[:-1]:
        state = state.setdefault(name, {})
    state[path[-1]] = tensor


def _with_numbers(value: Any) -> Any:
    """Make keys that JSON turned into digits numbers again, as optimizers have them."""
    if not isinstance(value, dict):
        return value
    return {int(name) if name.isdigit() else name: _with_numbers(item) for name, item in value.items()}
