"""The routes: bytes ↔ rows of samples, errors ↔ JSON. Knows flask; does not import torch."""

from __future__ import annotations

import io
import logging
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from flask import Flask, Response, g, request
from numpy.typing import NDArray
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from server.client.protocol import HEALTHY, PixelFormat, Size, proof
from server.errors import (
    ClientGone,
    InternalFault,
    MalformedRequest,
    NoSuchRoute,
    ServerError,
    WrongLength,
    WrongMethod,
    WrongParameter,
)
from server.http import openapi, page
from server.http.cleanup_route import CleanupRoute
from server.http.file_route import FileRoute
from server.http.model_choice import checked_parameters, choose_model, headers_of, log_fields
from server.http.parameters import UpscaleParameters, parse_query
from server.http.request_checks import is_open
from server.http.waitress_server import new_request_id
from server.metrics import CONTENT_TYPE
from server.pipeline.composition import enlarged_bands
from server.pipeline.job import Job
from server.pipeline.model_key import ModelKey
from server.pipeline.upscale import Picture
from server.pixels.layouts import as_samples
from server.service import Service

QUIET = ("/healthz", "/metrics", "/v1/status", "/v1/log", "/static/")  # asked often, and of no interest in the log
CHALLENGE = re.compile("[0-9a-f]{64}")
PIECE = 1 << 20  # bytes handed to waitress at once
STATIC_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

log = logging.getLogger(__name__)


def create_app(service: Service) -> Flask:
    """Make the WSGI application of a service; nothing happens before its first request."""
    app = Flask("server.http")  # its folder holds static/, the page
    app.url_map.merge_slashes = False  # else what does not exist is answered by a redirection
    app.register_error_handler(ServerError, _refuse)
    app.register_error_handler(Exception, _fail)
    app.before_request(lambda: _begin(service))
    app.after_request(lambda response: _end(service, response))
    _add_routes(app, service)
    return app


def _add_routes(app: Flask, service: Service) -> None:
    def get(rule: str, answer: Callable[[], Any]) -> None:
        app.add_url_rule(rule, rule, answer, methods=["GET"])

    get("/healthz", lambda: _health(service.token))
    get("/v1/models", lambda: _without_query(service.describe_models))
    file_route = FileRoute(service)
    get("/v1/status", lambda: _without_query(service.describe) | {"file_progress": file_route.progress})
    get("/metrics", lambda: _plain(service.metrics.text(), CONTENT_TYPE))
    get("/openapi.json", lambda: _without_query(lambda: openapi.describe(service.settings.max_pixels)))
    app.add_url_rule("/v1/upscale", "/v1/upscale", lambda: _upscale(service), methods=["POST"])
    app.add_url_rule("/v1/upscale/file", "/v1/upscale/file", file_route, methods=["POST"])
    app.add_url_rule("/v1/cleanup", "/v1/cleanup", CleanupRoute(service.store), methods=["POST"])
    page.add_routes(app, lambda: service.recent.lines if service.recent else ())


def _health(token: str) -> Response:
    """Answer with the server's name, and prove to whoever asks that it holds the token, before they send theirs."""
    given = parse_query(request.query_string.decode("latin-1"), ("challenge",))
    challenge = given.get("challenge")
    if challenge is None:
        return Response(HEALTHY, content_type="text/plain")
    if not CHALLENGE.fullmatch(challenge):
        raise WrongParameter(f"challenge is {challenge[:40]!r}; expected 64 hexadecimal digits, new each time.")
    return Response(HEALTHY + b" " + proof(token, challenge).encode(), content_type="text/plain")


def _without_query(answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    parse_query(request.query_string.decode("latin-1"), ())
    return answer()


def _plain(text: bytes, content_type: str) -> Response:
    parse_query(request.query_string.decode("latin-1"), ())
    return Response(text, content_type=content_type)


def _upscale(service: Service) -> Response:
    parameters = checked_parameters()
    size, pixel_format = parameters.size, parameters.pixel_format
    picture = Picture(size, pixel_format, body_reader(request.environ["wsgi.input"], size, pixel_format))
    key = choose_model(service.store, parameters.model, picture)
    g.logged = log_fields(key, size)
    job = service.queue.open(request.environ.get("waitress.client_disconnected", lambda: False))
    try:
        return _answer(service, parameters, picture, job, key)
    except BaseException:
        job.close()
        raise


def _answer(service: Service, parameters: UpscaleParameters, picture: Picture, job: Job, key: ModelKey) -> Response:
    """Make the response, which closes the job when it ends; what fails here can still be told."""
    bands = enlarged_bands(picture, parameters.result, job, key, service.store.following(key))
    first = next(bands)
    pixels = parameters.size.width * parameters.size.height
    stream = _Stream(first, bands, job, g.request_id, lambda: service.metrics.pixels.inc(pixels))
    response = Response(stream, mimetype="application/octet-stream")
    response.headers["Content-Length"] = str(parameters.pixel_format.byte_count(parameters.result))
    response.headers.update(headers_of(key))
    return response


def body_reader(file: Any, size: Size, pixel_format: PixelFormat) -> Callable[[int, int], NDArray[Any]]:
    """Read rows of a spooled body on demand.

    Args:
        file: seekable, the picture's rows from its start.
        size: the picture's size.
        pixel_format: of the body.

    Returns:
        A function (first row, row beyond the last) → (rows, width, samples); it raises `WrongLength` where the body
        turns out to be shorter than announced.
    """
    row_bytes = size.width * pixel_format.bytes_per_pixel

    def read(first: int, last: int) -> NDArray[Any]:
        file.seek(first * row_bytes, io.SEEK_SET)
        rows = file.read((last - first) * row_bytes)
        if len(rows) != (last - first) * row_bytes:
            raise WrongLength(
                f"The body ends in row {first + len(rows) // row_bytes} of {size.height}; send all of it."
            )
        return as_samples(rows, size.width, pixel_format)

    return read


class _Stream:
    """The result's bytes; closed by waitress when they are sent, or when the client has left."""

    def __init__(
        self, first: NDArray[Any], bands: Iterator[NDArray[Any]], job: Job, request_id: str, done: Callable[[], None]
    ) -> None:
        self._pieces = self._cut(first, bands, done)
        self._bands, self._job, self._request_id = bands, job, request_id

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def _cut(self, first: NDArray[Any], bands: Iterator[NDArray[Any]], done: Callable[[], None]) -> Iterator[bytes]:
        band: NDArray[Any] | None = first
        try:
            while band is not None:
                raw = np.ascontiguousarray(band).reshape(-1).view(np.uint8)
                for start in range(0, len(raw), PIECE):
                    yield raw[start : start + PIECE].tobytes()
                band = next(bands, None)
            done()
        except ClientGone:
            log.info("client left", extra={"request_id": self._request_id})
        except ServerError as fault:  # too late for a status: the body ends short, and the client says so
            log.error("cut short", extra={"request_id": self._request_id, "fault": str(fault)})

    def close(self) -> None:
        self._pieces.close()  # type: ignore[attr-defined]
        self._job.close()


def _begin(service: Service) -> None:
    g.request_id = new_request_id()
    g.begun = time.monotonic()
    g.logged = {}
    if not is_open(request.path):  # strangers are no use of the server
        service.touch()


def _end(service: Service, response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "unknown"
    service.metrics.requests.labels(route, str(response.status_code)).inc()
    response.headers["X-Request-Id"] = g.request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    response.headers["Content-Security-Policy"] = STATIC_POLICY
    logged: dict[str, Any] = {"request_id": g.request_id, "method": request.method, "path": request.path}
    logged |= {"status": response.status_code, "_stranger": is_open(request.path)}
    quiet = request.path.startswith(QUIET) and response.status_code < 400
    level = logging.DEBUG if quiet else logging.INFO
    log.log(level, "request", extra=logged | g.logged | {"seconds": round(time.monotonic() - g.begun, 3)})
    return response


def _refuse(error: ServerError) -> Response:
    response = Response(error.to_json(g.request_id), error.status, mimetype="application/json")
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _fail(fault: Exception) -> Response:
    if isinstance(fault, ClientGone):
        return Response(status=499)  # nobody reads it
    if isinstance(fault, NotFound):
        return _refuse(NoSuchRoute(f"There is no {request.path[:80]!r}; see /openapi.json for what there is."))
    if isinstance(fault, MethodNotAllowed):
        response = _refuse(
            WrongMethod(f"{request.method} is not for {request.path[:80]}; use {', '.join(fault.valid_methods or [])}.")
        )
        response.headers["Allow"] = ", ".join(fault.valid_methods or [])
        return response
    if isinstance(fault, HTTPException):
        return _refuse(MalformedRequest(f"The request cannot be read: {fault.description}"))
    log.exception("failed", extra={"request_id": g.request_id, "path": request.path})
    return _refuse(InternalFault("Something failed in the server; its log has the details under this id; report it."))
