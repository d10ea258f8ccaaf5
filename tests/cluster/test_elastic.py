"""Training under torchrun: a process that dies is replaced, and training goes on from the last checkpoint."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.import_graph import ROOT
from trainer.data.patch_set import FORMAT, MANIFEST, patch_path

STEPS, EVERY = 400, 20
FLAGS = ["--generator", "features=8,layers=2", "--patch-size", "16", "--batch-size", "2", "--loader-workers", "0"]
FLAGS += ["--validation-patches", "2", "--precision", "float32", "--warm-up-steps", "2"]
FLAGS += ["--pixel-steps", str(STEPS), "--validate-every", str(EVERY)]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed"),
]


@pytest.fixture
def patches(tmp_path: Path) -> Path:
    """Four patches to train on and two to validate, as the slicer leaves them."""
    folder, random = tmp_path / "patches", np.random.default_rng(2)
    for split, count in (("train", 4), ("validation", 2)):
        for number in range(count):
            file = patch_path(folder, split, number)
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (256, 256, 3), np.uint8)).save(file)
    manifest = {"format": FORMAT, "hash": "h", "counts": {"train": 4, "validation": 2}}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return folder


def rows(run: Path) -> list[dict[str, Any]]:
    """What has been measured; a line that is being written does not count."""
    if not (run / "metrics.jsonl").exists():
        return []
    lines = (run / "metrics.jsonl").read_text().split("\n")[:-1]
    return [json.loads(line) for line in lines]


def children(parent: int) -> list[int]:
    """Return the processes that a process has started, by /proc."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            told = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended meanwhile
        if int(told[1]) == parent:
            found.append(int(entry.parent.name))
    return sorted(found)


def starters(run: Path, patches: Path, machines: int, log: Path) -> list[subprocess.Popen[bytes]]:
    """Start two processes that train together, on one machine or one on each of two, as docs/remote.md tells it."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(machines)]
    command += ["--nproc-per-node", str(2 // machines), "--max-restarts", "3"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}", "--rdzv-id", "studio"]
    command += ["-m", "trainer", "train", str(patches), "--run-dir", str(run), "--phase", "pixel", "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with log.open("ab") as output:
        return [
            subprocess.Popen([*command, *FLAGS], cwd=ROOT, env=environment, stdout=output, stderr=output)
            for _ in range(machines)
        ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("machines", [1, 2])
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the processes in /proc")
def test_a_process_that_dies_is_replaced_and_training_goes_on_from_the_checkpoint(
    patches: Path, tmp_path: Path, machines: int
) -> None:
    run, log = tmp_path / "run", tmp_path / "torchrun.log"
    started = starters(run, patches, machines, log)
    try:
        until = time.monotonic() + 300
        while not rows(run) and started[0].poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        assert rows(run), log.read_text()[-3000:]
        workers = [child for starter in started for child in children(starter.pid)]
        assert len(workers) == 2
        os.kill(workers[-1], signal.SIGKILL)
        assert [starter.wait(300) for starter in started] == machines * [0], log.read_text()[-3000:]
    finally:
        for starter in started:
            starter.terminate()  # it takes its processes with it
            starter.wait(60)
    steps = [row["step"] for row in rows(run) if "step" in row]  # what the run says of itself has none
    assert steps[-1] == STEPS
    assert sorted(set(steps)) == list(range(EVERY, STEPS + 1, EVERY)), "a stretch was left out"
    assert re.search(r"SIGKILL|signal 9|-9", log.read_text()), "torchrun did not notice that a process was killed"
