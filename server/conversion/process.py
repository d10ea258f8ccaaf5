"""The process that converts: what is to be done comes as JSON in its input."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

MOST_MEMORY = 8 << 30  # bytes beyond what the libraries take


def main() -> int:
    """Convert as told; prints a line for each file that was written, or the fault as one sentence."""
    told: dict[str, Any] = json.load(sys.stdin)
    import weights
    from server.conversion.convert import Origin, convert
    from server.conversion.reading import CannotConvert

    _limit_memory()
    try:
        written = convert(
            [Path(each) for each in told["sources"]], [Path(each) for each in told["targets"]], Origin(**told["origin"])
        )
    except (CannotConvert, weights.WeightsError, OSError) as fault:
        print(fault, file=sys.stderr)  # noqa: T201
        return 1
    except MemoryError:
        print("The file needs more memory than a network's does; get it from its author again.", file=sys.stderr)  # noqa: T201
        return 1
    for target, metadata in zip(told["targets"], written, strict=True):
        blended = f", blended over {metadata.blend}" if metadata.blend else ""
        print(f"{target}: {metadata.architecture}, ×{metadata.scale}, halo {metadata.halo}{blended}")  # noqa: T201
    return 0


def _limit_memory() -> None:
    """Have a file that unpacks without end fail rather than the machine; where the system can."""
    if sys.platform != "win32":
        import resource

        with contextlib.suppress(OSError, ValueError):
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
            limit = pages * resource.getpagesize() + MOST_MEMORY
            resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
