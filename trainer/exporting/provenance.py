"""Which version of the code is running."""

from __future__ import annotations

import subprocess
from pathlib import Path


def commit() -> str:
    """Return the short hash of the checkout that runs, or "unknown" outside one."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:  # a machine without git
        return "unknown"
    return answer.stdout.strip() or "unknown"
