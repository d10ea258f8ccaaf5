"""How fast photos are cut into patches, by one process and by several.

    python -m tests.benchmarks.slicing_rate PHOTOS [--first N] [--processes 1 2 …]

Each number of processes cuts the same photos into a folder of its own, which is deleted afterwards. Wall clock is what
a user waits for, the processes' start included; processor time per patch depends less on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

from trainer.data.slicing.slicer import list_files, slice_photos


def _processor_seconds() -> float:
    """What this process and those that it has waited for have used."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def measure(photos: Path, out: Path, processes: int) -> str:
    """Slice once.

    Args:
        photos: Folder of photos.
        out: Folder for the patches.
        processes: How many photos are cut at once.

    Returns:
        A row of a table.
    """
    started, spent = time.perf_counter(), _processor_seconds()
    found = slice_photos(photos, out, processes=processes)
    seconds, spent = time.perf_counter() - started, _processor_seconds() - spent
    count = len(found.train) + len(found.validation)
    return f"| {processes} | {count} | {seconds:.1f} | {count / seconds:.0f} | {count / spent:.0f} |"


def main() -> None:
    """Read the words and measure."""
    parser = argparse.ArgumentParser(description="How fast photos are cut into patches.")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--first", type=int, default=120, help="so many photos, from the first on")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parsed = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        chosen = Path(folder, "photos")
        chosen.mkdir()
        for file in list_files(parsed.photos)[: parsed.first]:
            shutil.copyfile(file, chosen / file.name)
        print("| processes | patches | seconds | patches per second | patches per second of processor time |")
        print("|---|---|---|---|---|")
        for processes in parsed.processes:
            print(measure(chosen, Path(folder, f"patches-{processes}"), processes), flush=True)


if __name__ == "__main__":
    main()
