"""Runs `neural-upscale` as a user with a home of their own would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

OWN = ("XDG_", "GIMP", "NEURAL_UPSCALE")


def console(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    command = [str(Path(sys.executable).with_name("neural-upscale")), *arguments]
    return subprocess.run(
        command,
        env={**environment, "HOME": str(home), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
