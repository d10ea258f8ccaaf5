"""Which pictures a command names, and where each result goes; decided before anything is computed."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from server.client.protocol import Size
from server.client.sizing import Target
from server.errors import WrongParameter
from server.images.files import EXPECTED, FORMATS, READ_ONLY, format_of

FACTOR, PIXELS = re.compile(r"-x[1-8](\.\d+)?$"), re.compile(r"-\d+x\d+$")  # what results' names end in
RESULT, NO_PICTURE, HIDDEN = "results of before", "no picture", "hidden"


@dataclass(frozen=True)
class Order:
    """What the user asked for; `into_folder` says that the output is a folder although it is not there yet."""

    files: list[Path]
    output: Path | None
    into_folder: bool = False
    model: str = "auto"
    detail: float | None = None
    cleanup: float | None = None
    size: Target = Target()
    verbose: bool = False
    overwrite: bool = False


@dataclass(frozen=True)
class Task:
    """One file and its result."""

    source: Path
    target: Path
    lacks_size: bool = False  # whether the target's name is to end in the result's size, which is not known yet

    def target_for(self, result: Size) -> Path:
        """Return where a result of that size goes."""
        name = f"{self.target.stem}-{result.width}x{result.height}"
        return self.target.with_stem(name) if self.lacks_size else self.target


@dataclass
class Batch:
    """What is to be done."""

    tasks: list[Task] = field(default_factory=list)  # one for each picture that can be tried
    faults: list[str] = field(default_factory=list)  # a sentence for each that cannot: the others go on without them
    skipped: Counter[str] = field(default_factory=Counter)  # how many files of the folders are left out, by the reason
    of_folders: bool = False  # whether folders were named

    def summary(self, failed: int) -> str:
        """Return how it went, in numbers: "12 enlarged, 3 skipped: 2 results of before, 1 no picture"."""
        parts = [f"{len(self.tasks) - failed} enlarged"]
        if failed + len(self.faults):
            parts.append(f"{failed + len(self.faults)} failed")
        if self.skipped:
            reasons = ", ".join(f"{self.skipped[reason]} {reason}" for reason in (RESULT, NO_PICTURE, HIDDEN)
                                if self.skipped[reason])  # fmt: skip
            parts.append(f"{self.skipped.total()} skipped: {reasons}")
        return ", ".join(parts)


def plan(order: Order) -> Batch:
    """Decide where each result goes.

    Args:
        order: files and folders, and the output.

    Returns:
        What is to be done.

    Raises:
        WrongParameter: nothing can be tried, or the output does not fit.
    """
    batch = Batch()
    sources: dict[Path, None] = {}  # in order, each once
    for given in order.files:
        try:
            sources |= dict.fromkeys(_pictures(given, batch))
        except (WrongParameter, OSError) as fault:
            batch.faults.append(str(fault))
    into_folder = order.output is not None and _is_folder(order, order.output, batch, len(sources))
    taken: dict[Path, Path] = {}
    for source in sources:
        task = _task(source, order, into_folder)
        try:
            _check(task, taken)
        except (WrongParameter, OSError) as fault:
            batch.faults.append(str(fault))
        else:
            taken[task.target] = source
            batch.tasks.append(task)
    if not batch.tasks:
        nothing = f"There is no {EXPECTED} in what was named; name some."
        raise WrongParameter(" ".join(batch.faults) or nothing)
    return batch


def _pictures(given: Path, batch: Batch) -> list[Path]:
    """Return a file, or the pictures in a folder; those that are left out are counted."""
    if not given.is_dir():
        # The shells of Windows leave * and ? to the program.
        matching = [given] if given.is_file() else sorted(given.parent.glob(given.name))
        found = [each for each in matching if each == given or (each.is_file() and not each.name.startswith("."))]
        if not found:
            raise WrongParameter(f"There is no file {given}; check its name.")
        return found
    batch.of_folders = True
    found = []
    for each in sorted(given.iterdir()):
        if each.name.startswith("."):
            batch.skipped[HIDDEN] += 1
        elif each.suffix.lower() not in (*FORMATS, *READ_ONLY) or not each.is_file():
            batch.skipped[NO_PICTURE] += not each.is_dir()
        elif _is_result(each):
            batch.skipped[RESULT] += 1
        else:
            found.append(each)
    batch.skipped = +batch.skipped  # without zeros
    return found


def _is_result(path: Path) -> bool:
    """Return whether a file is named as a result; of those that end in pixels, only if what it was made of is there."""
    if FACTOR.search(path.stem):
        return True
    source, found = PIXELS.subn("", path.stem)
    return bool(found) and any(path.with_name(source + ending).exists() for ending in (path.suffix, *READ_ONLY))


def _is_folder(order: Order, output: Path, batch: Batch, pictures: int) -> bool:
    many = batch.of_folders or pictures + len(batch.faults) > 1
    if many and output.exists() and not output.is_dir():
        raise WrongParameter(f"{output} is a file, but there are {pictures} pictures; name a folder with -o.")
    return many or order.into_folder or output.is_dir()


def _task(source: Path, order: Order, into_folder: bool) -> Task:
    ending = READ_ONLY.get(source.suffix.lower(), source.suffix)
    if order.output is not None:
        return Task(source, order.output / f"{source.stem}{ending}" if into_folder else order.output)
    if order.size.label is None:
        return Task(source, source.with_suffix(ending), lacks_size=True)
    return Task(source, source.with_name(f"{source.stem}-{order.size.label}{ending}"))


def _check(task: Task, taken: dict[Path, Path]) -> None:
    format_of(task.target)
    if task.target in taken:
        raise WrongParameter(
            f"{task.source} would become {task.target}, as {taken[task.target]} does; upscale it in a run of its own."
        )
    if not task.lacks_size and os.path.realpath(task.target) == os.path.realpath(task.source):
        raise WrongParameter(f"The result of {task.source} would replace it; name another output with -o.")
