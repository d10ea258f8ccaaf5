"""Memory that arrays give back is kept for the next ones, until it is asked to be returned."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
from server.device import allocator
from server.service import resident_bytes

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.empty(48 << 20, np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

plain = faults()
if not allocator.keep_freed_memory():
    raise SystemExit(77)
faults()
kept = faults()
held = resident_bytes()
allocator.give_back()
print(plain, kept, held - resident_bytes())
"""


def test_blocks_are_kept_and_given_back_on_demand() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False)
    if done.returncode == 77:
        pytest.skip("this C library has no mallopt")
    assert done.returncode == 0, done.stderr
    plain, kept, returned = map(int, done.stdout.split())
    assert kept * 10 < plain
    assert returned >= 40 << 20
