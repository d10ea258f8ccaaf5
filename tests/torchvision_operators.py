"""Makes torchvision importable beside a CPU build of torch, for libraries under test that import it without need."""

from __future__ import annotations

import torch

_kept: list[torch.library.Library] = []


def declare_operators() -> None:
    """Declare the compiled operators that torchvision's own library would have brought; they cannot be called."""
    if _kept or hasattr(torch.ops.torchvision, "nms"):
        return
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept.append(library)  # what it declares goes when it goes
