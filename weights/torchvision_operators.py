"""Make torchvision importable beside a CPU build of torch, for libraries that import it without needing its operators.

PyPI's torchvision is compiled for CUDA. Beside a CPU build its compiled part cannot be loaded, and importing it fails
at the first mention of an operator from there.
"""

from __future__ import annotations

import torch

_kept: list[torch.library.Library] = []


def import_torchvision() -> None:
    """Import torchvision, where its compiled part is missing with declared operators in its place.

    Raises:
        ImportError: There is no torchvision, or it does not fit this torch in another way.
    """
    try:
        import torchvision
    except RuntimeError:  # an operator does not exist
        declare_operators()
        try:
            import torchvision  # noqa: F401
        except RuntimeError as fault:
            raise ImportError(f"torchvision does not fit torch {torch.__version__} ({fault})") from fault


def declare_operators() -> None:
    """Declare the compiled operators that torchvision's own library would have brought; they cannot be called."""
    if _kept or hasattr(torch.ops.torchvision, "nms"):
        return
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    _kept.append(library)  # what it declares goes when it goes
