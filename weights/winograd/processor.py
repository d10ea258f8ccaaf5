"""Identifies the processor, because what is built or measured for one may be wrong for the next."""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path


def processor() -> str:
    """Return the processor's name and instruction sets, as far as the operating system tells."""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        first = text.partition("\n\n")[0].splitlines()
        kept = [line for line in first if line.startswith(("model name", "flags", "Features", "CPU part"))]
        return " ".join([*kept, os.environ.get("ONEDNN_MAX_CPU_ISA", "")])
    return f"{platform.machine()} {platform.processor()}"
