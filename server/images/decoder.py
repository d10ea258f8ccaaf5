"""Reads files in a process of its own, which can be stopped: no file holds up or takes down whoever opened it.

Decoders of foreign bytes may run for ages, or crash. The process is given a file and a time; it answers with the photo
or with the fault. What comes back is nothing but numbers and bytes.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from server import errors
from server.errors import ClientGone, NotAnImage, ServerError
from server.images.files import read_photo
from server.images.photo import Photo
from server.installed import python_command

LEAST_SECONDS = 60.0  # that a file may take; more where the limit of pixels is higher: a second for each million
LOOK = 0.1  # seconds between looks at whether the picture is still wanted
PROGRAM = (  # whoever was interrupted stops it, while it still imports, too
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "
    "from server.images.decoder import answer_all; answer_all()"
)


class Decoder:
    """One such process, started when it is needed and again after it was stopped; a context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_fault: object) -> None:
        self.close()

    def read(
        self, source: bytes | Path, name: str, max_pixels: int,
        *, seconds: float | None = None, is_gone: Callable[[], bool] = lambda: False,
    ) -> Photo:  # fmt: skip
        """Read an image file, as `read_photo` does.

        Args:
            source: the file's contents, or where it lies.
            name: what to call it in messages.
            max_pixels: refuse more, before decoding.
            seconds: the longest that it may take; None for a time that suits the limit of pixels.
            is_gone: whether nobody waits for the picture any more.

        Returns:
            The photo, upright.

        Raises:
            NotAnImage: it cannot be decoded, not in this time, or the decoder crashed.
            ClientGone: nobody waits any more.
        """
        allowed = max(LEAST_SECONDS, max_pixels / 1e6) if seconds is None else seconds
        answers: list[Photo | Exception] = []
        process = self._running()
        request = (source, name, max_pixels, allowed)
        talk = threading.Thread(target=lambda: answers.append(_asked(process, request)), daemon=True)
        talk.start()
        deadline = time.monotonic() + allowed
        try:
            while talk.is_alive():
                talk.join(LOOK)
                if is_gone():
                    raise ClientGone
                if time.monotonic() > deadline and not answers:
                    raise NotAnImage(
                        f"{name} takes longer than {allowed:g} seconds to decode; expected far less; save it anew."
                    )
        except BaseException:
            self.close()
            raise
        if not answers or isinstance(answers[0], EOFError):
            self.close()
            raise NotAnImage(f"{name} made its decoder crash; expected a whole file; save it anew, or convert it.")
        if isinstance(answers[0], Exception):
            raise answers[0]
        return answers[0]

    def close(self) -> None:
        """Stop the process, whatever it is at."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                python_command(PROGRAM), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )  # fmt: skip
        return self._process


class _PlainUnpickler(pickle.Unpickler):
    """Takes numbers, texts, bytes and lists of them, and nothing that would run code."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"{module}.{name} is no plain value")


def _asked(process: subprocess.Popen[bytes], request: tuple[Any, ...]) -> Photo | Exception:
    """Send a request and wait for the answer; EOFError where the process ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        pickle.dump(request, process.stdin)
        process.stdin.flush()
        told = _PlainUnpickler(process.stdout).load()
        if "error" in told:
            found = getattr(errors, told["error"], None)
            return found(told["message"]) if found else OSError(told["errno"], told["message"], told["file"])
        samples = np.empty(told.pop("shape"), told.pop("dtype"))
        if process.stdout.readinto(samples.reshape(-1).view(np.uint8)) != samples.nbytes:  # type: ignore[attr-defined]
            return EOFError()
        return Photo(samples, **told)
    except (OSError, ValueError, EOFError, pickle.UnpicklingError):
        return EOFError()


def answer_all() -> None:
    """Be that process: answer requests from standard input until it ends."""
    answers = os.fdopen(os.dup(1), "wb")
    with contextlib.suppress(OSError):
        os.dup2(2, 1)  # a decoder that prints does not disturb
    with Path(os.devnull).open("w", encoding="ascii") as nothing, contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            source, name, max_pixels, seconds = pickle.load(sys.stdin.buffer)
            faulthandler.dump_traceback_later(seconds + 10, exit=True, file=nothing)  # should nobody stop it
            _answer(answers, source, name, max_pixels)
            faulthandler.cancel_dump_traceback_later()


def _answer(answers: IO[bytes], source: bytes | Path, name: str, max_pixels: int) -> None:
    try:
        photo = read_photo(source, name, max_pixels)
    except ServerError as fault:
        pickle.dump({"error": type(fault).__name__, "message": str(fault)}, answers)
    except OSError as fault:
        told = {"error": "", "errno": fault.errno, "message": fault.strerror, "file": fault.filename}
        pickle.dump(told | {"file": None if fault.filename is None else str(fault.filename)}, answers)
    else:
        told = {key: value for key, value in vars(photo).items() if key != "samples"}
        samples = np.ascontiguousarray(photo.samples)
        pickle.dump(told | {"shape": samples.shape, "dtype": samples.dtype.str}, answers)
        answers.write(samples.reshape(-1).view(np.uint8).data)
    answers.flush()
