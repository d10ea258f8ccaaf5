"""Whether torch.compile pays: measured in a process of its own, which may hang, crash or take too long.

What it compiled stays in the run folder's cache, so that the training itself starts within seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import torch

from trainer.config import TrainingConfig, config_of
from trainer.pixel import PixelPhase
from trainer.replacing import replacing

CACHE = "TORCHINDUCTOR_CACHE_DIR"
RECORD = "trials.json"
MARGIN = 1.02  # compiled steps must be faster by this factor
_WARM_UP, _TIMED = 3, 10  # steps


class Trial:
    """A trial in the background.

    Args:
        run: The run folder; keeps what was measured, so that each size of batch is tried once.
        config: What is to be trained.
        device: Where.
    """

    def __init__(self, run: Path, config: TrainingConfig, device: torch.device) -> None:
        self.run = run
        self.key = key_of(config)
        use_cache(run)
        self.started = time.monotonic()
        self.process: subprocess.Popen[bytes] | None = None
        self.request = run / f"trial-{zlib.crc32(self.key.encode()):08x}.json"
        if not self._settled() and not self._under_way():
            run.mkdir(parents=True, exist_ok=True)
            asked = {"config": config.to_dict(), "device": str(device), "asked_by": os.getpid()}
            self.request.write_text(json.dumps(asked), encoding="utf-8")
            command = [sys.executable, "-m", "trainer.gpu", "trial", str(self.request)]
            self.process = subprocess.Popen(command, start_new_session=True)  # a group that can be ended as one

    def pays(self, limit: float) -> bool:
        """Wait for the outcome.

        Args:
            limit: Seconds since the trial's start after which it is ended, and eager torch has won.

        Returns:
            Whether compiled steps are faster.
        """
        deadline = self.started + limit
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(max(0.0, deadline - time.monotonic()))
            self._end(limit)
        while not self._settled() and self._under_way() and time.monotonic() < deadline:
            time.sleep(0.5)  # another command tries the same
        found = read_trials(self.run).get(self.key, {})
        return bool(found.get("compiled", 0) > MARGIN * found.get("eager", 0))

    def close(self) -> None:
        """End the process, if it still runs."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _settled(self) -> bool:
        return "compiled" in read_trials(self.run).get(self.key, {})

    def _under_way(self) -> bool:
        """Whether another command, still alive, has asked for the same trial."""
        try:
            asked_by = int(json.loads(self.request.read_text(encoding="utf-8"))["asked_by"])
            os.kill(asked_by, 0)
        except (OSError, ValueError, KeyError):
            return False
        return asked_by != os.getpid()

    def _end(self, limit: float) -> None:
        assert self.process is not None
        ended = self.process.poll()
        self.close()
        if not self._settled():
            why = f"ended with {ended}" if ended is not None else f"not done after {limit:.0f} s"
            note_trial(self.run, self.key, {"compiled": 0.0, "why": why})


def try_out(request: Path) -> dict[str, Any]:
    """Measure what `Trial` asked for; the process's own work.

    Args:
        request: The file that says what; in the run folder.

    Returns:
        Patches per second `eager` and `compiled`, seconds that compiling took, peak device memory in bytes.
    """
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    asked, run = json.loads(request.read_text(encoding="utf-8")), request.parent
    config, device = config_of(asked["config"]), torch.device(asked["device"])
    found: dict[str, Any] = {"torch": torch.__version__}
    for name, compiled in (("eager", False), ("compiled", True)):
        started = time.monotonic()
        phase = PixelPhase(config_of(config.to_dict() | {"compile": compiled}), device)
        phase.steps = 1 << 30
        found[name] = round(patches_per_second(phase), 1)
        found[f"{name}_seconds"] = round(time.monotonic() - started, 1)
        if device.type == "cuda":
            found[f"{name}_bytes"] = torch.cuda.max_memory_allocated(device)
            torch.cuda.reset_peak_memory_stats(device)
        note_trial(run, key_of(config), found)
        del phase
    return found


def _end_with(parent: int) -> None:
    """End this process once the one that asked is gone: nobody else would."""
    while os.getppid() == parent:
        time.sleep(1)
    os.killpg(os.getpid(), signal.SIGKILL)


def patches_per_second(phase: PixelPhase, timed: int = _TIMED) -> float:
    """Measure a phase's steps on random pictures that lie on the device.

    Args:
        phase: Moves.
        timed: Steps that are measured, after a few that are not.

    Returns:
        Low-resolution patches per second.
    """
    config, device = phase.config, phase.device
    sizes = [(config.batch_size, 3, factor * config.patch_size, factor * config.patch_size) for factor in (1, 2)]
    low_res, high_res = (
        torch.rand(size, device=device).contiguous(memory_format=torch.channels_last) for size in sizes
    )
    for _ in range(_WARM_UP):
        last = phase.move((low_res, high_res))["loss"]
    last.item()  # waits for the device
    started = time.monotonic()
    for _ in range(timed):
        last = phase.move((low_res, high_res))["loss"]
    last.item()
    return timed * config.batch_size / (time.monotonic() - started)


def use_cache(run: Path) -> None:
    """Have this process and its children keep compiled kernels in the run folder, unless the user chose a place."""
    os.environ.setdefault(CACHE, str((run / "compiled").absolute()))


def key_of(config: TrainingConfig) -> str:
    """Name what decides how fast a step is."""
    size = ",".join(f"{name}={value}" for name, value in sorted(config.generator.items()))
    return f"{config.architecture}({size}) x{config.expansion} {config.batch_size}×{config.patch_size}²"


def read_trials(run: Path) -> dict[str, dict[str, Any]]:
    """Read what was measured so far, by `key_of`."""
    try:
        found: dict[str, dict[str, Any]] = json.loads((run / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def note_trial(run: Path, key: str, found: dict[str, Any]) -> None:
    """Add to what was measured."""
    trials = read_trials(run)
    trials[key] = trials.get(key, {}) | found
    with replacing(run / RECORD) as sibling:
        sibling.write_text(json.dumps(trials, indent=1), encoding="utf-8")
