"""A run folder: one training at a time, the settings that it was begun with, and the generator that came of it."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from trainer.config import TrainingConfig
from trainer.data.patch_set import PatchSet
from trainer.errors import CheckpointError
from trainer.nets.reparameterisation import over_parameterise, reparameterise, with_fixed_slopes
from trainer.training.checkpoint import load_checkpoint
from trainer.training.resume import config_of_checkpoint
from weights import Generator, build_generator
from weights.atomic import atomic_write

CONFIG = "config.json"
LOCK = "training.lock"
# a killed training's reading processes hold its lock until they notice, within five seconds
PATIENCE_SECONDS = 10.0


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keep other trainings out of a run folder; the system ends the lock with the process, however that ends.

    Args:
        run: The run folder; created.

    Yields:
        Nothing.

    Raises:
        CheckpointError: Another training is at work there.
    """
    run.mkdir(parents=True, exist_ok=True)
    lock = FileLock(run / LOCK)
    try:
        lock.acquire(timeout=PATIENCE_SECONDS)
    except Timeout:
        raise CheckpointError(
            f"{run} is in use by another training, expected a run folder that none writes to; let that one end, stop "
            "it, or choose another run folder."
        ) from None
    except NotImplementedError:
        yield  # a file system without locks: as before there were any
        return
    try:
        yield
    finally:
        lock.release()


def write_settings(run: Path, config: TrainingConfig, patch_set: PatchSet, words: Sequence[str]) -> None:
    """Write down what a training is made of, for provenance.

    Args:
        run: The run folder.
        config: The settings.
        patch_set: What it learns from.
        words: The command's words.
    """
    command = shlex.join(["python", "-m", "trainer", *map(_without_folders, words)])
    content = {"command": command, "commit": commit(), "data_hash": patch_set.hash, **config.to_dict()}
    with atomic_write(run / CONFIG) as sibling:
        sibling.write_text(json.dumps(content, indent=1), encoding="utf-8")


def check_patches(run: Path, patch_set: PatchSet) -> None:
    """Refuse other patches than those that a run folder's checkpoints learned from.

    Args:
        run: The run folder; it may be empty or absent.
        patch_set: The patches.

    Raises:
        CheckpointError: They are others.
    """
    if not any(run.glob("*.pt")):
        return
    try:
        known = json.loads((run / CONFIG).read_text(encoding="utf-8")).get("data_hash", patch_set.hash)
    except (OSError, ValueError, AttributeError):
        return  # nobody can tell any more
    if known != patch_set.hash:
        raise CheckpointError(
            f"{run} learned from patches with hash {known[:12]}…, these have {patch_set.hash[:12]}…; "
            "use the same patches or another run folder."
        )


def trained_generator(run: Path, phase: str, *, best: bool = False) -> tuple[Generator, Generator, dict[str, Any]]:
    """Load the averaged generator of a run folder.

    Args:
        run: A run folder.
        phase: "pixel" or "adversarial".
        best: Whether to take the best one by validation instead of the last.

    Returns:
        The generator as it was trained and plain, both on the CPU in evaluation mode, and the checkpoint.

    Raises:
        CheckpointError: The run folder has no such checkpoint, or it is damaged.
    """
    file = run / f"{phase}{'-best' if best else ''}.pt"
    state = load_checkpoint(file)
    if state is None:
        raise CheckpointError(f"{run} has no {file.name}; expected a folder that `train` filled; check the path.")
    config = config_of_checkpoint(state["config"])
    plain = build_generator(config.architecture, dict(config.generator))
    if phase == "pixel":
        # slopes that were learned before the phase began are trained on: known by their being there
        names = plain.state_dict().keys() & state["average"].keys()
        plain.load_state_dict({name: state["average"][name] for name in names}, strict=False)
        trained = over_parameterise(plain, config.expansion, fixed_slopes=config.fixed_slopes)
    else:
        trained = plain if set(plain.state_dict()) == set(state["average"]) else with_fixed_slopes(plain)
    trained.load_state_dict(state["average"])
    return trained.requires_grad_(False).eval(), reparameterise(trained), state


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


def _without_folders(word: str) -> str:
    """Shorten a path that leads elsewhere to its last part: the command is published, where it ran is nobody's."""
    path = Path(word)
    return path.name if path.is_absolute() or ".." in path.parts else word
