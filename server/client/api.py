"""The calls: enlarge a picture, list the models, ask what the server does.

Standard library only: this package is copied whole into both plug-ins.
"""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.message import Message
from typing import Any

from .connection import PIECE, exchange, refusal
from .protocol import (
    Cancel,
    Cancelled,
    Chosen,
    Options,
    PixelFormat,
    Refused,
    Runtime,
    ServerDied,
    Size,
    WrongAnswer,
    WrongPixels,
)
from .sampling import Samples

BUSY_PATIENCE = 60.0  # seconds during which a 503 is answered by trying again
SILENCE_LIMIT = 30.0  # seconds without a byte after which the server is asked whether it is well
DEFAULT_OPTIONS = Options()


def upscale(
    runtime: Runtime,
    pixels: Any,
    size: Size,
    pixel_format: PixelFormat,
    options: Options = DEFAULT_OPTIONS,
    *,
    samples: Samples | None = None,
    on_chosen: Callable[[Chosen], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    cancel: Cancel | None = None,
) -> bytearray:
    """Enlarge a picture on the server.

    Args:
        runtime: the server.
        pixels: bytes-like, `pixel_format.byte_count(size)` bytes, rows top to bottom without padding.
        size: the picture's size.
        pixel_format: layout, depth and transfer, of the input and of the result alike.
        options: what is to be made of it; by default ×2 by the server's own choice.
        samples: of the whole picture, where these pixels are only a part of it: cleanup is estimated from them.
        on_chosen: called once with what the server uses, before the first progress, in the calling thread.
        on_progress: called with (bytes received, bytes promised), in the calling thread.
        cancel: another thread's way to end this call.

    Returns:
        The pixels of the picture of `options.result_of(size)`, in the same format.

    Raises:
        ClientError: one of its family; the text is a sentence for the user.
    """
    if options.cleanup is None and samples is not None:
        estimated = estimate_cleanup(runtime, samples, model=options.model, cancel=cancel)
        options = replace(options, cleanup=estimated)
    promised = pixel_format.byte_count(options.result_of(size))
    result = bytearray()
    for piece in iter_pixels(runtime, pixels, size, pixel_format, options, on_chosen=on_chosen, cancel=cancel):
        result += piece
        if on_progress is not None:
            on_progress(len(result), promised)
    return result


def iter_pixels(
    runtime: Runtime,
    pixels: Any,
    size: Size,
    pixel_format: PixelFormat,
    options: Options = DEFAULT_OPTIONS,
    *,
    on_chosen: Callable[[Chosen], None] | None = None,
    cancel: Cancel | None = None,
) -> Iterator[bytes]:
    """Do the same as `upscale`, but yield the result in pieces (at most 1 MiB, cut anywhere) as they come."""
    body = memoryview(pixels).cast("B")
    expected = pixel_format.byte_count(size)
    if len(body) != expected or min(size.width, size.height) < 1:
        raise WrongPixels(
            f"{len(body)} bytes of pixels came for {size.width}×{size.height} {pixel_format.layout} "
            f"{pixel_format.depth}, which needs {expected}; pass whole rows of a picture that is not empty."
        )
    chosen = {"detail": options.detail, "cleanup": options.cleanup}
    query = _query(size, pixel_format, options.model) | {
        name: f"{value:g}" for name, value in chosen.items() if value is not None
    }
    result = options.result_of(size)
    if result != size.enlarged():
        query |= {"out_width": result.width, "out_height": result.height}
    target = "/v1/upscale?" + urllib.parse.urlencode(query)
    promised = pixel_format.byte_count(result)
    give_up = time.monotonic() + BUSY_PATIENCE
    while True:
        try:
            yield from _attempt(runtime, target, body, promised, on_chosen, cancel or Cancel())
            return
        except _Busy as busy:
            if time.monotonic() + busy.retry_after > give_up:
                raise busy.refusal from None
            _sleep(busy.retry_after, cancel)


def estimate_cleanup(
    runtime: Runtime, samples: Samples, *, model: str = "auto", cancel: Cancel | None = None
) -> float | None:
    """Ask for the automatic cleanup of a whole picture.

    Args:
        runtime: the server.
        samples: of the picture.
        model: a name from `models()`, or "auto".
        cancel: another thread's way to end this call.

    Returns:
        What the server would choose for the whole picture; None where the model has no such control.

    Raises:
        ClientError: one of its family; the text is a sentence for the user.
    """
    target = "/v1/cleanup?" + urllib.parse.urlencode(_query(samples.size, samples.pixel_format, model))
    value = _ask_json(runtime, "POST", target, memoryview(samples.pixels), cancel).get("cleanup")
    if value is not None and not isinstance(value, (int, float)):
        raise WrongAnswer(f"The server answered cleanup {value!r}; expected a number or null; update both sides.")
    return None if value is None else float(value)


def models(runtime: Runtime) -> dict[str, Any]:
    """Ask for the models: `{"models": [{"name", "detail", …}], "default": name, "broken": […]}`."""
    return _ask_json(runtime, "GET", "/v1/models")


def status(runtime: Runtime) -> dict[str, Any]:
    """Ask what the server does: device, what is loaded, memory, queue."""
    return _ask_json(runtime, "GET", "/v1/status")


def _query(size: Size, pixel_format: PixelFormat, model: str) -> dict[str, Any]:
    return {
        "width": size.width, "height": size.height, "layout": pixel_format.layout, "depth": pixel_format.depth,
        "transfer": pixel_format.transfer, "model": model,
    }  # fmt: skip


def _ask_json(
    runtime: Runtime, method: str, target: str, body: memoryview | None = None, cancel: Cancel | None = None
) -> dict[str, Any]:
    with exchange(runtime, method, target, body, cancel or Cancel(), SILENCE_LIMIT) as answer:
        text = answer.read(1 << 22)
        if answer.status != 200:
            raise refusal(answer, text)
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise WrongAnswer(f"{runtime.url}{target} did not answer with a JSON object; is another program on that port?")
    return found


class _Busy(Exception):  # never leaves this module
    def __init__(self, refusal: Refused, retry_after: float) -> None:
        super().__init__()
        self.refusal, self.retry_after = refusal, retry_after


def _attempt(
    runtime: Runtime,
    target: str,
    body: memoryview,
    promised: int,
    on_chosen: Callable[[Chosen], None] | None,
    cancel: Cancel,
) -> Iterator[bytes]:
    with exchange(runtime, "POST", target, body, cancel, SILENCE_LIMIT) as answer:
        if answer.status != 200:
            refused = refusal(answer, answer.read(1 << 16))
            if answer.status == 503 and answer.headers.get("Retry-After", "").isdigit():
                raise _Busy(refused, max(0.1, float(answer.headers["Retry-After"])))
            raise refused
        announced = answer.headers.get("Content-Length", "nothing")
        if announced != str(promised):
            raise WrongAnswer(f"The server announced {announced} bytes, expected {promised}; update both sides.")
        if on_chosen is not None:
            on_chosen(_chosen(answer.headers))
        received = 0
        while received < promised:
            piece = answer.read1(min(PIECE, promised - received))
            if not piece:
                raise ServerDied(f"The server ended after {received} of {promised} bytes; its log says why. Try again.")
            received += len(piece)
            yield piece


def _chosen(headers: Message) -> Chosen:
    def number(name: str) -> float | None:
        try:
            return float(headers.get(name, ""))
        except ValueError:
            return None

    return Chosen(headers.get("X-Model", ""), number("X-Detail"), number("X-Cleanup"))


def _sleep(seconds: float, cancel: Cancel | None) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if cancel is not None and cancel.cancelled:
            raise Cancelled("Cancelled.")
        time.sleep(0.05)
