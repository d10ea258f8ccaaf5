"""Which Vulkan devices there are. Standard library only."""

from __future__ import annotations

import functools
import importlib.util
import json
import logging
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROBE = Path(__file__).with_name("probe.py")
PATIENCE = 60  # seconds; some drivers compile at their first use
PREFERRED = ("discrete", "integrated", "virtual", "other", "cpu")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VulkanDevice:
    """One device."""

    index: int  # ncnn's number of it
    name: str  # as the driver has it
    kind: str  # one of PREFERRED
    version: str  # of driver and ncnn

    @property
    def device(self) -> str:
        """Return what `--device` calls it."""
        return f"vulkan:{self.index}"

    @property
    def is_real(self) -> bool:
        """Return whether it is more than the CPU under another name."""
        return self.kind != "cpu"


def has_ncnn() -> bool:
    """Return whether the extra `vulkan` is installed; ncnn is not imported."""
    return importlib.util.find_spec("ncnn") is not None


@functools.cache
def vulkan_devices() -> tuple[VulkanDevice, ...]:
    """Return the Vulkan devices, best kind first; none without the extra `vulkan`, or where a driver fails."""
    if not has_ncnn():
        return ()
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows: no console flashes up
    try:
        answer = subprocess.run(
            [sys.executable, str(PROBE)], capture_output=True, check=True, timeout=PATIENCE, creationflags=flags
        )
        found = [VulkanDevice(**each) for each in json.loads(answer.stdout)]
    except (OSError, subprocess.SubprocessError, ValueError, TypeError) as fault:
        log.warning("Vulkan devices cannot be listed", extra={"fault": str(fault)})
        return ()
    return tuple(sorted(found, key=lambda each: PREFERRED.index(each.kind)))
