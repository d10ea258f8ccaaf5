"""Upscaling files from the command line, one after the other, and what is said about it."""

from __future__ import annotations

import sys
from pathlib import Path

from tqdm import tqdm

from server import client
from server.cli.batch import Batch, Order, Task, plan
from server.cli.fault import sentence_of
from server.client.start import START_OPTIONS
from server.errors import ServerError, WrongParameter
from server.images.decoder import Decoder
from server.images.files import READ_ONLY, format_of
from server.images.saving import check_target, save_photo
from server.plugins.install import server_command


def run(order: Order) -> int:
    """Upscale everything that can be; 0 when all went well, else 1."""
    try:
        batch = plan(order)
        runtime = find_server()
    except (ServerError, client.ClientError) as fault:
        _complain(str(fault))
        return 1
    for reason in batch.faults:
        _complain(reason)
    with Decoder() as decoder:
        failed = _enlarge_all(batch, order, runtime, decoder)
    if len(batch.tasks) + len(batch.faults) > 1 or batch.of_folders:
        print(batch.summary(failed), file=sys.stderr)  # noqa: T201
    return 1 if failed or batch.faults else 0


def _enlarge_all(batch: Batch, order: Order, runtime: client.Runtime, decoder: Decoder) -> int:
    """Upscale the files of a batch; returns how many failed."""
    failed = 0
    for number, task in enumerate(batch.tasks, 1):
        label = task.source.name if len(batch.tasks) == 1 else f"{number}/{len(batch.tasks)} {task.source.name}"
        try:
            try:
                target, notices = upscale_file(runtime, task, order, label, decoder)
            except client.NoServer:
                _complain(f"{task.source}: the server is gone; starting another one.")
                runtime = find_server()
                target, notices = upscale_file(runtime, task, order, label, decoder)
        except BrokenPipeError:  # nobody reads what is printed here; that ends the run
            raise
        except Exception as fault:  # noqa: BLE001 (a file may fail in any way; the others go on)
            failed += 1
            _complain(f"{task.source}: {sentence_of(fault)}")
            continue
        if task.source.suffix.lower() in READ_ONLY and task.target != order.output:
            notices.insert(
                0, f"{task.source.suffix[1:].upper()} is only read; the result is a {format_of(task.target)}."
            )
        for notice in notices:
            _complain(f"{task.source}: {notice}")
        print(target, flush=True)  # noqa: T201
    return failed


def upscale_file(
    runtime: client.Runtime, task: Task, order: Order, label: str, decoder: Decoder
) -> tuple[Path, list[str]]:
    """Upscale one file.

    Args:
        runtime: the server.
        task: source and target; the target's folder is made where it is missing.
        order: model, detail, cleanup, size, and whether results may be replaced.
        label: shown beside the progress bar.
        decoder: reads the file.

    Returns:
        The result's path, and sentences about what could not be kept.

    Raises:
        WrongParameter: the target is there already.
    """
    if not task.lacks_size:
        _check_free(task.target, order)
    photo = decoder.read(task.source, task.source.name, most_pixels(runtime))
    result = order.size.size_for(photo.size)
    target = task.target_for(result)
    _check_free(target, order)
    target.parent.mkdir(parents=True, exist_ok=True)
    check_target(target, result, photo.pixel_format.bytes_per_pixel)
    promised = photo.pixel_format.byte_count(result)
    chosen: list[client.Chosen] = []
    with tqdm(total=promised, desc=label, unit="B", unit_scale=True, disable=None, leave=False, file=sys.stderr) as bar:

        def show(received: int, _promised: int) -> None:
            bar.update(received - bar.n)

        pixels = client.upscale(
            runtime, photo.samples, photo.size, photo.pixel_format,
            client.Options(order.model, order.detail, order.cleanup, result), on_chosen=chosen.append, on_progress=show,
        )  # fmt: skip
    if order.verbose:
        _complain(f"{task.source}: {_sentence(chosen[-1])}")
    try:
        return target, save_photo(photo.enlarged(pixels, result), target, replace=order.overwrite)
    except FileExistsError:
        raise WrongParameter(f"{target} has come into being meanwhile; name another with -o.") from None


def _check_free(target: Path, order: Order) -> None:
    if target.exists() and not order.overwrite:
        raise WrongParameter(f"{target} is there already; name another with -o, or replace it with --overwrite.")


def _sentence(chosen: client.Chosen) -> str:
    controls = {"detail": chosen.detail, "cleanup": chosen.cleanup}
    return ", ".join([chosen.model, *(f"{name} {value:g}" for name, value in controls.items() if value is not None)])


def most_pixels(runtime: client.Runtime) -> int:
    """Return the largest number of pixels that the server takes."""
    return int(client.status(runtime)["limits"]["megapixels"] * 1e6)


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
