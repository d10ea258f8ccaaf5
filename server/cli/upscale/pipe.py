"""One picture from standard input, or to standard output."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from server.cli.fault import sentence_of
from server.cli.upscale.batch import Order, free_name
from server.cli.upscale.jobs import in_order
from server.cli.upscale.upscaler import Upscaler, complain
from server.errors import NotAnImage, TooLarge, WrongParameter
from server.images import limits
from server.images.files import FORMATS, START, format_of, kind_of, write_photo
from server.images.saving import check_target

NAME = "standard input"
STDIN_LIMIT = 4 << 30  # bytes: more than any picture that memory holds
PIECE = 1 << 20


def run(order: Order, *, to_stdout: bool) -> int:
    """Upscale one picture.

    Args:
        order: its only file, none for standard input; its output, unless that is standard output.
        to_stdout: whether it is.

    Returns:
        0 when all went well, else 1.
    """
    try:
        source = order.files[0] if order.files else None
        _check(order, source, to_stdout)
        given = _from_stdin() if source is None else source
        with Upscaler(order, 1) as upscaler:
            (outcome,) = in_order(lambda given: _upscale(upscaler, given, to_stdout), [given], 1, upscaler.stop)
            contents, notices = outcome.result()
    except BrokenPipeError:
        raise
    except Exception as fault:  # noqa: BLE001 (a file may fail in any way)
        complain(f"{NAME if source is None else source}: {sentence_of(fault)}")
        return 1
    for notice in notices:
        complain(f"{NAME if source is None else source}: {notice}")
    sys.stdout.buffer.write(contents)
    return 0


def _check(order: Order, source: Path | None, to_stdout: bool) -> None:
    """Refuse what cannot be done before anything is read."""
    if to_stdout and sys.stdout.isatty():
        raise WrongParameter("The picture would go to a terminal; send it into a pipe, or name a file with -o.")
    if source is None and sys.stdin.isatty():
        raise WrongParameter("Standard input is a terminal; expected a picture from a file or a pipe.")
    if source is not None and not source.is_file():
        raise WrongParameter(f"There is no file {source}; expected one picture for standard output.")
    if not to_stdout and order.output is not None:
        if order.into_folder or order.output.is_dir():
            raise WrongParameter(f"{order.output} is a folder, but standard input has no name; name a file with -o.")
        kind = format_of(order.output)
        if order.kind not in (None, kind):
            raise WrongParameter(f"--format is {order.kind}, but {order.output} is {kind}; leave one of them out.")


def _upscale(upscaler: Upscaler, source: bytes | Path, to_stdout: bool) -> tuple[bytes, list[str]]:
    """Return what goes to standard output, and what is said about it."""
    order, name = upscaler.order, source.name if isinstance(source, Path) else NAME
    photo = upscaler.read(source, name)
    result = order.size.size_for(photo.size)
    pixel_bytes = photo.pixel_format.bytes_per_pixel
    if not to_stdout:
        assert order.output is not None
        target = free_name(order.output, order)
        target.parent.mkdir(parents=True, exist_ok=True)
        check_target(target, result, pixel_bytes)
        enlarged, chosen = upscaler.enlarge(photo, result, name)
        target, notices = upscaler.save(enlarged, target, order.output, 1)
        return f"{target}\n".encode(errors="surrogateescape"), chosen + notices
    kind, told = _kind(order, source)
    limits.check_result(result, kind, pixel_bytes)
    enlarged, chosen = upscaler.enlarge(photo, result, name)
    file = io.BytesIO()
    notices = write_photo(enlarged, file, kind)
    return file.getvalue(), chosen + told + notices


def _kind(order: Order, source: bytes | Path) -> tuple[str, list[str]]:
    """Return the format that goes to standard output: the picture's own unless another one is asked for."""
    if order.kind is not None:
        return order.kind, []
    if isinstance(source, Path):
        with source.open("rb") as file:
            start = file.read(START)
    else:
        start = source[:START]
    kind = kind_of(start)
    if kind in FORMATS.values():
        return str(kind), []
    return "PNG", [f"{kind} is only read; the result is a PNG."]


def _from_stdin() -> bytes:
    contents = bytearray()
    while piece := sys.stdin.buffer.read(PIECE):
        contents += piece
        if len(contents) > STDIN_LIMIT:
            raise TooLarge(f"More than {STDIN_LIMIT / 1e9:.1f} GB came from standard input; expected a picture.")
    if not contents:
        raise NotAnImage("Nothing came from standard input; expected a picture.")
    return bytes(contents)
