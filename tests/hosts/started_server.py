"""Starts the real model server as a process of its own, and waits until it answers. Knows nothing of torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

START_SECONDS = 120.0
_END_SECONDS = 20.0


@dataclass(frozen=True)
class Started:
    """A server that answers.

    Attributes:
        url: Its address.
        token: What it wants to hear.
        process: The process; it may be ended before its time.
    """

    url: str
    token: str = field(repr=False)
    process: subprocess.Popen[bytes]


@contextmanager
def started_server(
    flags: Sequence[str], runtime: Path, log: Path, environment: Mapping[str, str], folder: Path | None = None
) -> Iterator[Started]:
    """Start `python -m server` on a free port of this machine alone, and end it afterwards.

    Args:
        flags: What to add to the command.
        runtime: The runtime file that it shall write; an old one is removed.
        log: File that its output is added to.
        environment: Variables to set beside this process's own.
        folder: Where it runs; None for where this process does.

    Yields:
        The server, once it answers.

    Raises:
        RuntimeError: It does not come up.
    """
    runtime.unlink(missing_ok=True)
    command = [sys.executable, "-m", "server", "--port", "0", *flags]
    variables = {**os.environ, **environment, "NEURAL_UPSCALE_RUNTIME": str(runtime)}
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=variables, cwd=folder)
    try:
        told = _told(process, runtime, log)
        yield Started(told["url"], told["token"], process)
    finally:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _told(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> dict[str, Any]:
    """Wait until the server answers; return what its runtime file says."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if runtime.exists() and runtime.stat().st_size:
            told: dict[str, Any] = json.loads(runtime.read_text(encoding="utf-8"))
            try:
                if requests.get(f"{told['url']}/healthz", timeout=5).ok:
                    return told
            except requests.RequestException:  # not yet, or on a machine that is busy with other things
                pass
        time.sleep(0.1)
    words = log.read_text(encoding="utf-8", errors="replace")[-4000:]
    fate = f"ended with {process.poll()}" if process.poll() is not None else f"was silent for {START_SECONDS:.0f} s"
    raise RuntimeError(f"the server {fate}, expected it to answer; see {log}, which ends with:\n{words}")
