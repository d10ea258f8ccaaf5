"""Which pictures a command names, and where each result goes; decided before anything is computed."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from server.cli.upscale.pictures import HIDDEN, LINKED, NO_PICTURE, RESULT, Picture, Search
from server.client.protocol import Size
from server.client.sizing import Target
from server.errors import WrongParameter
from server.images.files import ENDINGS, EXPECTED, FORMATS, READ_ONLY, format_of


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
    kind: str | None = None  # the results' format, one of FORMATS' values; None for each picture's own
    jobs: int = 1  # pictures under way at once
    recursive: bool = False  # whether folders in folders are searched, too
    verbose: bool = False
    overwrite: bool = False
    number: bool = False  # whether results whose names are taken get a number


@dataclass(frozen=True)
class Task:
    """One file and its result."""

    source: Path
    target: Path
    lacks_size: bool = False  # whether the target's name is to end in the result's size, which is not known yet
    number: int = 1  # from 2 on where pictures before it have the same target

    def target_for(self, result: Size) -> Path:
        """Return where a result of that size goes, without its number."""
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
            reasons = ", ".join(f"{self.skipped[reason]} {reason}" for reason in (RESULT, NO_PICTURE, HIDDEN, LINKED)
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
    found = Search(order.recursive, order.output)
    for given in order.files:
        found.add(given)
    batch = Batch([], found.faults, found.skipped, found.of_folders)
    into_folder = order.output is not None and _is_folder(order, order.output, batch, len(found.pictures))
    taken: dict[Path, Path] = {}
    for picture in found.pictures.values():
        task = _task(picture, order, into_folder)
        try:
            task = _checked(task, taken, order)
        except (WrongParameter, OSError) as fault:
            batch.faults.append(str(fault))
        else:
            taken[numbered(task.target, task.number)] = task.source
            batch.tasks.append(task)
    if not batch.tasks:
        nothing = f"There is no {EXPECTED} in what was named; name some."
        raise WrongParameter(" ".join(batch.faults) or nothing)
    return batch


def _is_folder(order: Order, output: Path, batch: Batch, pictures: int) -> bool:
    many = batch.of_folders or pictures + len(batch.faults) > 1
    if many and output.exists() and not output.is_dir():
        raise WrongParameter(f"{output} is a file, but there are {pictures} pictures; name a folder with -o.")
    return many or order.into_folder or output.is_dir()


def _task(picture: Picture, order: Order, into_folder: bool) -> Task:
    source, label = picture.path, order.size.label
    name = f"{source.stem}{_ending(source, order.kind)}"
    if order.output is not None:
        return Task(source, order.output / picture.below / name if into_folder else order.output)
    if label is None:
        return Task(source, source.with_name(name), lacks_size=True)
    return Task(source, source.with_name(f"{source.stem}-{label}{_ending(source, order.kind)}"))


def _ending(source: Path, kind: str | None) -> str:
    """Return what the name of a picture's result ends in."""
    ending = source.suffix
    if kind is None:
        return READ_ONLY.get(ending.lower(), ending)
    return ending if FORMATS.get(ending.lower()) == kind else ENDINGS[kind]


def numbered(path: Path, number: int) -> Path:
    """Put a number behind a file's name, from 2 on."""
    return path if number == 1 else path.with_stem(f"{path.stem}-{number}")


def free_name(path: Path, order: Order, number: int = 1) -> Path:
    """Return where a result may go.

    Args:
        path: where it is to go.
        order: whether names that are taken get a number, or may be taken over.
        number: that its name is to have at least.

    Returns:
        The path, with a number where that is asked for and needed.

    Raises:
        WrongParameter: the name is taken.
    """
    while (free := numbered(path, number)).exists() and not order.overwrite:
        if not order.number:
            raise WrongParameter(f"{path} is there already; name another with -o, or use --overwrite or --number.")
        number += 1
    return free


def _checked(task: Task, taken: dict[Path, Path], order: Order) -> Task:
    """Refuse a task that cannot be done; where its target is taken, number it or refuse it."""
    kind = format_of(task.target)
    if order.kind is not None and kind != order.kind:
        raise WrongParameter(f"--format is {order.kind}, but {task.target} is {kind}; leave one of them out.")
    while (target := numbered(task.target, task.number)) in taken or (
        order.number and not task.lacks_size and target.exists()
    ):
        if not order.number:
            raise WrongParameter(
                f"{task.source} would become {target}, as {taken[target]} does; upscale it in a run of its own, or use "
                "--number."
            )
        task = replace(task, number=task.number + 1)
    if not task.lacks_size and os.path.realpath(target) == os.path.realpath(task.source):
        raise WrongParameter(f"The result of {task.source} would replace it; name another output with -o.")
    return task
