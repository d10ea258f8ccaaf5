"""Upscaling files from the command line: which go where, one after the other, and what is said about it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from server import client
from server.client.start import START_OPTIONS
from server.errors import ServerError, WrongParameter
from server.images.files import FORMATS, format_of, read_photo
from server.images.saving import check_target, save_photo
from server.plugins.install import server_command

SUFFIX = "-x2"


@dataclass(frozen=True)
class Order:
    """What the user asked for."""

    files: list[Path]
    output: Path | None
    model: str = "auto"
    detail: float | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Task:
    """One file and its result."""

    source: Path
    target: Path


def run(order: Order) -> int:
    """Upscale everything that can be; 0 when all went well, else 1."""
    try:
        tasks, unusable = plan(order)
        runtime = find_server()
    except (ServerError, client.ClientError) as fault:
        _complain(str(fault))
        return 1
    failed = 0
    for reason in unusable:
        _complain(str(reason))
    for number, task in enumerate(tasks, 1):
        label = task.source.name if len(tasks) == 1 else f"{number}/{len(tasks)} {task.source.name}"
        try:
            try:
                notices = upscale_file(runtime, task, order, label)
            except client.NoServer:
                _complain(f"{task.source}: the server is gone; starting another one.")
                runtime = find_server()
                notices = upscale_file(runtime, task, order, label)
        except (ServerError, client.ClientError, OSError) as fault:
            failed += 1
            _complain(f"{task.source}: {fault}")
            continue
        for notice in notices:
            _complain(f"{task.source}: {notice}")
        print(task.target)  # noqa: T201
    total = len(tasks) + len(unusable)
    if total > 1:
        print(f"{len(tasks) - failed} of {total} pictures enlarged.", file=sys.stderr)  # noqa: T201
    return 1 if failed or unusable else 0


def plan(order: Order) -> tuple[list[Task], list[WrongParameter]]:
    """Decide where each result goes, before anything is computed.

    Args:
        order: files and folders, and the output.

    Returns:
        One task for each picture, and what is wrong with those that cannot be tried: the others go on without them.

    Raises:
        WrongParameter: nothing can be tried, or the output does not fit.
    """
    sources: list[Path] = []
    unusable: list[WrongParameter] = []
    for given in order.files:
        if given.is_dir():
            inside = sorted(each for each in given.iterdir() if each.suffix.lower() in FORMATS and each.is_file())
            sources += [each for each in inside if not each.stem.endswith(SUFFIX)]
        elif given.is_file():
            sources.append(given)
        else:
            unusable.append(WrongParameter(f"There is no file {given}; check its name."))
    if not sources and unusable:
        raise unusable[0]
    if not sources:
        raise WrongParameter("There is no PNG, JPEG, TIFF or WebP in what was named; name some.")
    into_folder = order.output is not None and (order.output.is_dir() or len(sources) + len(unusable) > 1)
    if into_folder and order.output is not None and order.output.exists() and not order.output.is_dir():
        raise WrongParameter(f"{order.output} is a file, but there are {len(sources)} pictures; name a folder with -o.")
    tasks = []
    for source in sources:
        task = Task(source, _target(source, order.output, into_folder))
        try:
            format_of(task.target)
        except WrongParameter as fault:
            if len(sources) == 1:
                raise
            unusable.append(fault)
            continue
        tasks.append(task)
    for task in tasks:
        if task.target.resolve() == task.source.resolve():
            raise WrongParameter(f"The result of {task.source} would replace it; name another output with -o.")
    if len({task.target for task in tasks}) < len(tasks):
        raise WrongParameter("Two results would have the same name; upscale them in separate runs.")
    return tasks, unusable


def _target(source: Path, output: Path | None, into_folder: bool) -> Path:
    if output is None:
        return source.with_name(f"{source.stem}{SUFFIX}{source.suffix}")
    return output / source.name if into_folder else output


def upscale_file(runtime: client.Runtime, task: Task, order: Order, label: str) -> list[str]:
    """Upscale one file.

    Args:
        runtime: the server.
        task: source and target; the target's folder is made where it is missing.
        order: model, detail, and whether results may be replaced.
        label: shown beside the progress bar.

    Returns:
        Sentences about what could not be kept.

    Raises:
        WrongParameter: the target is there already.
    """
    if task.target.exists() and not order.overwrite:
        raise WrongParameter(f"{task.target} is there already; name another with -o, or replace it with --overwrite.")
    photo = read_photo(task.source, task.source.name)
    task.target.parent.mkdir(parents=True, exist_ok=True)
    check_target(task.target, photo.size.enlarged())
    promised = photo.pixel_format.byte_count(photo.size.enlarged())
    with tqdm(total=promised, desc=label, unit="B", unit_scale=True, disable=None, leave=False, file=sys.stderr) as bar:

        def show(received: int, _promised: int) -> None:
            bar.update(received - bar.n)

        pixels = client.upscale(
            runtime, photo.samples, photo.size, photo.pixel_format, model=order.model, detail=order.detail,
            on_progress=show,
        )  # fmt: skip
    try:
        return save_photo(photo.enlarged(pixels), task.target, replace=order.overwrite)
    except FileExistsError:
        raise WrongParameter(f"{task.target} has come into being meanwhile; name another with -o.") from None


def find_server() -> client.Runtime:
    """Return the running server, or start one that ends by itself when it is not used."""
    command = server_command()
    started = False

    def tell(waited: float) -> None:
        nonlocal started
        if waited > 1 and not started:
            started = True
            _complain("starting the server…")

    return client.find_or_start([*command, *(START_OPTIONS if START_OPTIONS[0] not in command else ())], on_wait=tell)


def _complain(text: str) -> None:
    print(f"neural-upscale: {text}", file=sys.stderr)  # noqa: T201
