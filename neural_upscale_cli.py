"""The program `neural-upscale`: this installation's own packages, whatever else is called `server` or `weights`.

Others have such modules as well (ComfyUI has a `server.py`), and PYTHONPATH may name their folders before ours.
"""

from __future__ import annotations

import importlib.machinery
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

OWN = ("server", "weights", "trainer", "plugin_gimp", "plugin_krita")


class _OwnFirst:
    """Finds our packages beside this file, before the search path is looked at."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return where one of our packages lies; None for everything else."""
        if path is not None or name not in OWN:
            return None
        return importlib.machinery.PathFinder.find_spec(name, [str(Path(__file__).resolve().parent)], target)


def main() -> int:
    """Run the command line; returns the exit code."""
    sys.meta_path.insert(0, _OwnFirst)
    from server.cli import main as run

    return run()


if __name__ == "__main__":
    raise SystemExit(main())
