"""Networks out of the tensors of a foreign file: ours where the layout is one of ours, else spandrel's.

Ours are Real-ESRGAN's ×2 networks: SRVGGNetCompact, which runs on the fastest engine, and RRDBNet in the form that
un-shuffles its input, with the names of today's files or of ESRGAN's first ones. Both need no further library.
"""

from __future__ import annotations

import re

from torch import Tensor

import weights
from weights.generators.foreign import Foreign, build_foreign

OLD_NAMES = (
    (r"^model\.0\.", "conv_first."),
    (r"^model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3."),
    (r"^model\.1\.sub\.\d+\.(weight|bias)$", r"conv_body.\1"),
    (r"^model\.3\.", "conv_up1."),
    (r"^model\.6\.", "conv_up2."),
    (r"^model\.8\.", "conv_hr."),
    (r"^model\.10\.", "conv_last."),
    (r"^RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2."),
    (r"^trunk_conv\.", "conv_body."),
    (r"^upconv(\d)\.", r"conv_up\1."),
    (r"^HRconv\.", "conv_hr."),
)


def build_network(tensors: dict[str, Tensor], source: str) -> tuple[weights.Generator, dict[str, Tensor]]:
    """Find out what network tensors belong to, and build it.

    Args:
        tensors: Name → tensor, on the CPU, sizes checked.
        source: The file's name, for the messages.

    Returns:
        The network, float32, evaluation mode, and its tensors under the names that they are to be kept under.

    Raises:
        NotANetwork: No known network has these tensors.
        MissingLibrary: It is none of ours, and spandrel is not here.
    """
    own = _own(tensors)
    if own is not None:
        return own, own.state_dict()
    foreign: Foreign = build_foreign(tensors, source)
    return foreign, {name: tensor.detach().contiguous().clone() for name, tensor in sorted(tensors.items())}


def _own(tensors: dict[str, Tensor]) -> weights.Generator | None:
    """Build one of our architectures; None where the tensors are not exactly its."""
    tensors = {_renamed(name): tensor.float() for name, tensor in tensors.items()}
    first, growing, compact = (
        tensors.get(name) for name in ("conv_first.weight", "body.0.rdb1.conv1.weight", "body.0.weight")
    )
    try:
        if first is not None and growing is not None and first.shape[1] == 3 * weights.SCALE**2:
            blocks = 1 + max(int(key.split(".")[1]) for key in tensors if key.startswith("body."))
            config = {"features": first.shape[0], "growth": growing.shape[0], "blocks": blocks}
            generator = weights.build_generator("rrdb", config)
        elif first is None and compact is not None and compact.ndim == 4:
            last = max(int(key.split(".")[1]) for key in tensors)
            if tensors[f"body.{last}.weight"].shape[0] != 3 * weights.SCALE**2:
                return None
            config = {"features": compact.shape[0], "layers": last // 2 - 1}
            generator = weights.build_generator("compact", config)
        else:
            return None
        generator.load_state_dict(tensors)
    except (RuntimeError, ValueError, KeyError, IndexError, weights.WeightsError):
        return None
    return generator.eval()


def _renamed(name: str) -> str:
    for pattern, replacement in OLD_NAMES:
        name, count = re.subn(pattern, replacement, name)
        if count:
            return name
    return name
