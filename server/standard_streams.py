"""Standard input, output and error: open whatever the shell left, able to print every name, rotated where a log.

Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

LARGEST_LOG = 10_000_000  # bytes; then the next file is begun, and the one before is kept
ERROR = 2  # standard error's descriptor


def make_usable() -> None:
    """Open what was closed, and let letters that an encoding lacks be escaped rather than refused.

    A closed descriptor would be given to the next socket, which would then receive what libraries complain about.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= ERROR:
        os.set_inheritable(opened, True)
    os.close(opened)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 (kept to the end)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where somebody has put an object of their own there
            stream.reconfigure(errors="backslashreplace")


def detach_output() -> None:
    """Let standard output and error go nowhere, so that the interpreter's end does not fail on a broken pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, ERROR):
        with contextlib.suppress(OSError):
            os.dup2(nowhere, number)


def write_error(line: str, log: Path) -> None:
    """Write a line to standard error; where that is a log that has grown large, begin the next one.

    Args:
        line: with its end.
        log: the file that clients let a server's output go to.
    """
    os.write(ERROR, line.encode("utf-8", "backslashreplace"))
    state = os.fstat(ERROR)
    with contextlib.suppress(OSError):
        if state.st_size > LARGEST_LOG and os.path.samestat(state, log.stat()):
            _rotate(log)


def _rotate(log: Path) -> None:
    """Keep the log as NAME.1, and let standard output and error go to a new one."""
    is_output_too = os.path.samestat(os.fstat(1), os.fstat(ERROR))
    try:
        log.replace(log.with_name(log.name + ".1"))
    except OSError:  # Windows does not rename what is open
        os.ftruncate(ERROR, 0)
        os.lseek(ERROR, 0, os.SEEK_SET)
        return
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, ERROR)
    if is_output_too:
        os.dup2(descriptor, 1)
    os.close(descriptor)
